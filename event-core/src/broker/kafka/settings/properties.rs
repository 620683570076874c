//! Which properties librdkafka has, and which of their intervals fit together.

use secrecy::ExposeSecret;

use super::{KafkaSettings, KafkaSettingsProblem, problem, refused_property};

/// The names of [CONFIGURATION.md](https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md)
/// whose values are texts and numbers, one a line.
const NAMES: &str = include_str!("properties.txt");

/// Defaults of librdkafka.
const POLL_INTERVAL_MS: u64 = 300_000;
const MESSAGE_MAX_BYTES: u64 = 1_000_000;
/// What librdkafka has to be able to receive beside the records of an answer.
const ANSWER_OVERHEAD: u64 = 512;

/// The name that was meant by one that librdkafka does not know.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let known = NAMES.lines().filter(|known| refused_property(known).is_none());
    let near = known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    (near.0 <= name.len() / 3).then_some(near.1)
}

/// The property that is meant by a key that has no dots, and perhaps no unit: `session_timeout`.
pub(crate) fn property_like(key: &str) -> Option<&'static str> {
    let dotted = key.to_ascii_lowercase().replace(['_', '-'], ".");
    let is_meant = |known: &&str| {
        let rest = known.strip_prefix(&*dotted);
        rest.is_some_and(|rest| ["", ".ms", ".bytes", ".kbytes"].contains(&rest))
    };
    NAMES.lines().filter(|_| dotted.contains('.')).find(is_meant)
}

/// Intervals of a member that contradict each other, its defaults among them.
pub(super) fn intervals(settings: &KafkaSettings) -> Vec<KafkaSettingsProblem> {
    let (heartbeat, session, poll) =
        ("heartbeat.interval.ms", "session.timeout.ms", "max.poll.interval.ms");
    let consumer = settings.consumer("check", "check", None, 1 << 20);
    let default = |name| (name == poll).then_some(POLL_INTERVAL_MS);
    let ms = |name| match consumer.get(name) {
        Some(ms) => ms.trim().parse::<u64>().ok(),
        None => default(name),
    };
    let contradiction = |shorter, longer, why: &str| {
        let (short, long) = (ms(shorter)?, ms(longer)?);
        let given = [shorter, longer].into_iter().find(|name| settings.property(name).is_some())?;
        let is_wrong = if shorter == heartbeat { short >= long } else { short > long };
        is_wrong.then(|| {
            let message = format!("`{shorter}` is {short} and `{longer}` {long}: {why}");
            problem(Some(given), message, format!("make `{shorter}` shorter than `{longer}`"))
        })
    };
    let answer = contradiction(
        "fetch.wait.max.ms",
        "socket.timeout.ms",
        "the broker may wait with its answer for longer than the client does",
    );
    // With the new protocol these are the broker's.
    if settings.has_new_protocol() {
        return answer.into_iter().collect();
    }
    let problems = [
        answer,
        contradiction(heartbeat, session, "the session ends before the next heartbeat"),
        contradiction(session, poll, "a member that does not poll is gone before its session ends"),
    ];
    problems.into_iter().flatten().collect()
}

/// How members share partitions: the assignor that they choose among themselves, or ask the broker for.
pub(super) fn assignors(settings: &KafkaSettings) -> Vec<KafkaSettingsProblem> {
    const CLASSIC: &str = "partition.assignment.strategy";
    const REMOTE: &str = "group.remote.assignor";
    // The values may be secrets in the wrong place.
    let value = |name| settings.property(name).map(|value| value.expose_secret());
    let wrong = |name, message: String, help: &str| Some(problem(Some(name), message, help));
    let remote = value(REMOTE).and_then(|name| match settings.has_new_protocol() {
        false => wrong(
            REMOTE,
            format!("`{REMOTE}` is set, but `group.protocol` is not `consumer`, so that it is not used"),
            "set `group.protocol` to `consumer`, or set `partition.assignment.strategy` in its place",
        ),
        // A broker may have others of its own (`group.consumer.assignors`), which only it knows.
        true if !is_assignor_name(name) => wrong(
            REMOTE,
            format!("`{REMOTE}` has a value that is no name of an assignor"),
            "write `uniform` or `range`, or the name of another that the broker has",
        ),
        true => None,
    });
    let classic = value(CLASSIC).and_then(|names| {
        let names: Vec<_> = names.split(',').map(str::trim).collect();
        let cooperative = names.iter().filter(|name| **name == "cooperative-sticky").count();
        if names.iter().any(|name| !["cooperative-sticky", "range", "roundrobin"].contains(name)) {
            return wrong(
                CLASSIC,
                format!("`{CLASSIC}` under `[kafka]` has a value that is no list of assignors"),
                TAKEN_ASSIGNORS,
            );
        }
        if cooperative > 0 && cooperative < names.len() {
            return wrong(
                CLASSIC,
                format!(
                    "`{CLASSIC}` under `[kafka]` has `cooperative-sticky` beside others, and a group cannot change between them while it runs"
                ),
                TAKEN_ASSIGNORS,
            );
        }
        None
    });
    remote.into_iter().chain(classic).collect()
}

const TAKEN_ASSIGNORS: &str = "write `cooperative-sticky` alone, which is the default, or one or both of `range` and `roundrobin`: `range,roundrobin`";

fn is_assignor_name(name: &str) -> bool {
    // Those of Kafka itself; another one differs from them by more than a slip.
    let is_near = |known| strsim::damerau_levenshtein(name, known) <= 2;
    let is_known = ["uniform", "range"].contains(&name);
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    is_known
        || !name.is_empty()
            && name.chars().all(is_word)
            && !["uniform", "range"].into_iter().any(is_near)
            && !["sticky", "roundrobin", "cooperative-sticky"].contains(&name)
}

/// Sizes of messages and answers that contradict each other, their defaults among them.
pub(super) fn sizes(settings: &KafkaSettings) -> Vec<KafkaSettingsProblem> {
    let (fetch, message, receive) =
        ("fetch.max.bytes", "message.max.bytes", "receive.message.max.bytes");
    let bytes = |name| settings.property(name)?.expose_secret().trim().parse::<u64>().ok();
    let Some(answer) = bytes(fetch) else { return Vec::new() };
    let (least, of) = match bytes(message) {
        Some(set) => (set, ""),
        None => (MESSAGE_MAX_BYTES, ", its default"),
    };
    if answer < least {
        return vec![problem(
            Some(fetch),
            format!(
                "`{fetch}` under `[kafka]` is {answer}, less than `{message}`, which is {least}{of}"
            ),
            format!("raise `{fetch}` to at least {least}, or set `{message}` to at most {answer}"),
        )];
    }
    match bytes(receive) {
        Some(received) if received < answer + ANSWER_OVERHEAD => vec![problem(
            Some(receive),
            format!(
                "`{receive}` under `[kafka]` is {received}, and an answer may have {answer} bytes (`{fetch}`) and {ANSWER_OVERHEAD} more"
            ),
            format!("raise `{receive}` to at least {}, or leave it out", answer + ANSWER_OVERHEAD),
        )],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::error::KafkaError;
    use rdkafka::types::RDKafkaConfRes;

    use super::*;

    #[test]
    fn librdkafka_has_all_of_them() {
        for name in NAMES.lines() {
            let made = ClientConfig::new().set(name, "\u{1}").create_native_config();
            let is_unknown = matches!(
                made.err(),
                Some(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..))
            );
            assert!(!is_unknown, "{name}");
        }
        assert!(NAMES.lines().count() > 150);
    }

    #[test]
    fn a_key_without_dots_is_known_as_the_property_that_it_means() {
        for (key, meant) in [
            ("session_timeout", Some("session.timeout.ms")),
            ("SESSION-TIMEOUT-MS", Some("session.timeout.ms")),
            ("linger", None),
            ("linger_ms", Some("linger.ms")),
            ("auto_offset_reset", Some("auto.offset.reset")),
            ("fetch_max", Some("fetch.max.bytes")),
            ("attempts", None),
        ] {
            assert_eq!(property_like(key), meant, "{key}");
        }
    }

    #[test]
    fn the_nearest_name_is_one_that_may_be_set() {
        assert_eq!(nearest("fetch.min.byte"), Some("fetch.min.bytes"));
        assert_eq!(nearest("sasl.pasword"), Some("sasl.password"));
        assert_eq!(nearest("swordfish"), None);
        assert_eq!(nearest("group.idd").filter(|near| refused_property(near).is_some()), None);
    }
}
