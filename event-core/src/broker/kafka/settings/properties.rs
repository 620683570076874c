//! Which properties librdkafka has, and which of their intervals fit together.

use super::{KafkaSettings, KafkaSettingsProblem, problem, refused_property};

/// The names of [CONFIGURATION.md](https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md)
/// whose values are texts and numbers, one a line.
const NAMES: &str = include_str!("properties.txt");

/// The name that was meant by one that librdkafka does not know.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let known = NAMES.lines().filter(|known| refused_property(known).is_none());
    let near = known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    (near.0 <= name.len() / 3).then_some(near.1)
}

/// Intervals of a member that contradict each other, its defaults among them.
pub(super) fn intervals(settings: &KafkaSettings) -> Vec<KafkaSettingsProblem> {
    let (heartbeat, session, poll) =
        ("heartbeat.interval.ms", "session.timeout.ms", "max.poll.interval.ms");
    let consumer = settings.consumer("check", "check", None, 1 << 20);
    let ms = |name| consumer.get(name)?.trim().parse::<u64>().ok();
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
    fn the_nearest_name_is_one_that_may_be_set() {
        assert_eq!(nearest("fetch.min.byte"), Some("fetch.min.bytes"));
        assert_eq!(nearest("sasl.pasword"), Some("sasl.password"));
        assert_eq!(nearest("swordfish"), None);
        assert_eq!(nearest("group.idd").filter(|near| refused_property(near).is_some()), None);
    }
}
