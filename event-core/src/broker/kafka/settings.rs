//! What a user may set, and what the client gets.
//!
//! Any librdkafka property may be set except those on which the promises of this crate rest.
//! Values are secrets from here on: rdkafka's `ClientConfig` prints them in `Debug` and in its
//! errors, so neither ever leaves this folder.

mod addresses;
pub(crate) mod properties;
mod security;

use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::BaseProducer;
use rdkafka::types::RDKafkaConfRes as ConfRes;
use secrecy::{ExposeSecret, SecretString};

use super::errors;
use crate::broker::BrokerError;

/// How to reach a Kafka cluster.
#[derive(Clone, Default)]
pub struct KafkaSettings {
    /// The addresses to ask first, `host:port` or `[IPv6]:port` with commas between; without a port 9092.
    pub brokers: String,
    /// The service's name, which brokers show in logs and metrics (`client.id`).
    pub client_id: String,
    /// [librdkafka properties](https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md)
    /// as they are, stronger than the defaults. `group.protocol` and everything of security
    /// belong here.
    pub properties: Vec<(String, SecretString)>,
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("properties", &names)
            .finish()
    }
}

/// Why a librdkafka property may not be set, and where to set it instead; `None` when it may.
#[must_use]
pub fn refused_property(name: &str) -> Option<&'static str> {
    Some(match name {
        "bootstrap.servers" | "metadata.broker.list" => {
            "the addresses are set once for everything: set `brokers`"
        }
        "client.id" => {
            "the service's name is used, with a name of the instance for members of groups: set the name of the app"
        }
        "group.id" => "offsets belong to a group: set `group`",
        "group.instance.id" => {
            "each member of the group needs one of its own: set `group_instance_id`"
        }
        "enable.auto.commit" | "auto.commit.enable" | "auto.commit.interval.ms" => {
            "offsets are committed when records are settled; a clock would lose records"
        }
        "enable.auto.offset.store" => {
            "offsets are stored when records are settled, not when they are fetched"
        }
        "auto.offset.reset" => {
            "a group without offsets starts at the earliest record; for one whose offset is not in the log any more set `out_of_range`"
        }
        "acks" | "request.required.acks" => {
            "a record counts as written when all in-sync replicas have it; to trade safety for speed lower the topic's `min.insync.replicas`"
        }
        "enable.idempotence" => "without it a retried send repeats and reorders records",
        "max.in.flight" | "max.in.flight.requests.per.connection" => {
            "the idempotent producer chooses it, so that retries keep the order"
        }
        "transactional.id" => "the producer of this crate does not open transactions",
        "enable.partition.eof" => "the end of a partition is not a record",
        "allow.auto.create.topics" => {
            "topics are never created by accident: create them with Kafka's own tools"
        }
        "delivery.report.only.error" => {
            "a send is acknowledged by its delivery report; without it every send would wait for ever"
        }
        "enable.gapless.guarantee" => {
            "one record that is given up would end the producer, and with it all that are under way"
        }
        "queuing.strategy" => "the order of the sends is kept; `lifo` would turn it round",
        "offset.store.method" | "offset.store.path" | "offset.store.sync.interval.ms" => {
            "offsets are kept by the broker; a file would be one service's own view of them"
        }
        "check.crcs" => "a damaged record would reach a handler, and be committed",
        "topic.blacklist" => "the topics of handlers would be read by nobody, silently",
        "enabled_events" | "consume.callback.max.messages" => {
            "events are served by this crate, which chooses them"
        }
        "test.mock.num.brokers" => {
            "records would go to a broker inside the process: use `dev` or the embedded broker"
        }
        _ => return None,
    })
}

/// Why a property may not have this value; `None` when it may, or when librdkafka says so itself.
fn refused_value(name: &str, value: &str) -> Option<&'static str> {
    let is_zero = value.trim().parse::<f64>() == Ok(0.0);
    match name {
        "message.timeout.ms" | "delivery.timeout.ms" if is_zero => {
            Some("0 is no time-out at all, and a send that cannot be written would wait for ever")
        }
        "message.send.max.retries" | "retries" if is_zero => {
            Some("the idempotent producer needs at least one retry")
        }
        _ => None,
    }
}

/// Whether librdkafka has read less than a number from a text that begins like one: it stops at the first sign
/// that is none of a number, and counts in eights behind a 0. Only of a number `read` is another text.
fn is_read_otherwise(written: &str, read: &str) -> bool {
    let (written, number) = (written.trim(), read.parse::<f64>());
    let begins_like_one =
        written.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    begins_like_one && number.is_ok() && written.parse::<f64>() != number
}

/// Whether a property asks for what only a build with the feature `tls` (or `tls-vendored`) has.
#[must_use]
pub fn needs_tls(name: &str, value: &str) -> bool {
    match name {
        "security.protocol" => {
            matches!(value.to_ascii_lowercase().as_str(), "ssl" | "sasl_ssl")
        }
        // librdkafka takes the hash functions of SCRAM from OpenSSL.
        "sasl.mechanism" | "sasl.mechanisms" => {
            value.to_ascii_uppercase().starts_with("SCRAM")
                || value.eq_ignore_ascii_case("OAUTHBEARER")
        }
        _ => name.starts_with("ssl.") || name.starts_with("enable.ssl."),
    }
}

/// Defaults of every client, with the reason for each.
const COMMON: &[(&str, &str)] = &[
    // A broker that is back after a restart is found within a second, not ten.
    ("reconnect.backoff.max.ms", "1000"),
    // A frozen leader stalls its partitions until this is over, also when a new one is elected.
    ("socket.timeout.ms", "10000"),
    // Topics are made on purpose or not at all; the producer's own default is to make them.
    ("allow.auto.create.topics", "false"),
    // Every second of statistics costs throughput.
    ("statistics.interval.ms", "0"),
];

/// Defaults of the consumer.
const CONSUMER: &[(&str, &str)] = &[
    ("auto.offset.reset", "earliest"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "false"),
    // The default of a second costs a consumer that catches up a factor of six.
    ("fetch.queue.backoff.ms", "1"),
    // A partition that is assigned or goes on is not fetched before the answer for the others has come, which
    // takes so long when they have no records.
    ("fetch.wait.max.ms", "100"),
    // Each record that is fetched ahead takes some 400 bytes more than it has.
    ("queued.min.messages", "30000"),
    // One answer is in memory as a whole.
    (FETCH_MAX, "8388608"),
    // A damaged record is an error, not a surprise in a handler.
    ("check.crcs", "true"),
    // With the classic protocol a topic that is deleted and made again is a silent stall until
    // the next refresh, five minutes by default.
    ("topic.metadata.refresh.interval.ms", "3000"),
];

/// Defaults of the member of a group with the classic protocol.
const CLASSIC_MEMBER: &[(&str, &str)] = &[
    // The default of librdkafka stops the whole group at every change.
    ("partition.assignment.strategy", ASSIGNOR),
    // The clock of every change of the group: each member hears of it with its next heartbeat.
    ("heartbeat.interval.ms", "1000"),
    // For so long nobody reads the partitions of an instance that crashed. Longer than
    // `socket.timeout.ms`, so that a frozen coordinator costs nobody the membership.
    ("session.timeout.ms", "15000"),
];

/// The assignor of members with the classic protocol: few partitions move, and those that stay are
/// read meanwhile. Another one cannot be rolled out while members with this one run.
const ASSIGNOR: &str = "cooperative-sticky";

/// How much a client fetches ahead of what is taken from it, and the least that keeps a member busy.
const FETCHED_AHEAD: &str = "queued.max.messages.kbytes";
const MIN_FETCHED_AHEAD_BYTES: usize = 4 << 20;

/// Of the bytes that a group may have in flight its clients fetch this part ahead.
pub(super) const AHEAD: usize = 4;

/// What a broker answers at once at most, unless the first record is larger. librdkafka refuses one that is less than
/// `message.max.bytes`, and its default for that is the least.
const FETCH_MAX: &str = "fetch.max.bytes";
const FETCH_MAX_BYTES: usize = 8 << 20;
const MIN_FETCH_MAX_BYTES: usize = 1_000_000;

/// Defaults of the producer.
const PRODUCER: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "true"),
    // A record that is awaited alone does not wait for others. Under load they collect while those
    // before them are under way: librdkafka keeps one request waiting, and five of a partition sent.
    ("linger.ms", "0"),
    // A record is acknowledged or given up within this; dead letters and retries wait for it.
    ("message.timeout.ms", "30000"),
    // A record for a missing topic fails after this; 30 s by default.
    ("topic.metadata.propagation.max.ms", "5000"),
    // What is too large is the topic's decision, not the client's.
    ("message.max.bytes", "10485760"),
    // The partitioner of Java, Kafka Streams and most Python clients, so that a key has one
    // partition whoever writes it. librdkafka's own default is another one.
    ("partitioner", "murmur2_random"),
];

/// What librdkafka refuses together with `group.protocol=consumer`.
const OF_CLASSIC_GROUPS: &[&str] = &[
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
    "group.protocol.type",
];

/// Whether it is digits, with signs between them and a unit behind them.
fn is_like_a_number(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-_., ".contains(c));
    unit.len() <= 3 && unit.chars().all(|c| c.is_ascii_alphabetic())
}

const NAMES_AND_VALUES: &str = "see librdkafka's CONFIGURATION.md for the names and values";

/// Something wrong with [`KafkaSettings`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {help}")]
#[non_exhaustive]
pub struct KafkaSettingsProblem {
    /// What it is about: a property, or `brokers`; `None` for several together.
    pub setting: Option<String>,
    /// What is wrong; never a value that may be a secret.
    pub message: String,
    /// What to do instead.
    pub help: String,
}

fn problem(
    setting: Option<&str>,
    message: String,
    help: impl Into<String>,
) -> KafkaSettingsProblem {
    KafkaSettingsProblem { setting: setting.map(str::to_owned), message, help: help.into() }
}

impl KafkaSettings {
    /// Everything that is wrong with the settings.
    #[must_use]
    pub fn problems(&self) -> Vec<KafkaSettingsProblem> {
        let mut problems = addresses::problems(&self.brokers);
        let new_protocol = self.has_new_protocol();
        let has_tls = cfg!(any(feature = "tls", feature = "tls-vendored"));
        for (name, value) in &self.properties {
            let mut add = |message: String, help: &str| {
                problems.push(problem(Some(name), message, help));
            };
            if let Some(reason) = refused_property(name) {
                add(format!("`{name}` cannot be set under `[kafka]`"), reason);
            } else if let Some(reason) = refused_value(name, value.expose_secret()) {
                add(format!("`{name}` cannot be 0 under `[kafka]`"), reason);
            } else if new_protocol && OF_CLASSIC_GROUPS.contains(&name.as_str()) {
                add(
                    format!("`{name}` is the broker's with `group.protocol=consumer`"),
                    "set it on the broker, or leave `group.protocol` out",
                );
            } else if !has_tls && needs_tls(name, value.expose_secret()) {
                add(
                    format!("`{name}` asks for TLS, which this build does not have"),
                    "build event-core with the feature `tls` or `tls-vendored`",
                );
            } else {
                let mut config = ClientConfig::new();
                config.set(name, value.expose_secret());
                let created = config.create_native_config();
                let read = created.as_ref().ok().and_then(|config| config.get(name).ok());
                if let Some(read) =
                    read.filter(|read| is_read_otherwise(value.expose_secret(), read))
                {
                    // A text that does not look like a number with a unit may be a secret in the wrong place.
                    let text = value.expose_secret();
                    let written = match text.len() <= 16 && is_like_a_number(text) {
                        true => format!("`{text}`"),
                        false => format!("a text of {} characters", text.chars().count()),
                    };
                    add(
                        format!(
                            "`{name}` under `[kafka]` is {written}, which librdkafka reads as {read}"
                        ),
                        "write a number without a unit, a sign between its digits, or a 0 before them",
                    );
                }
                if let Err(error) = created {
                    let reason = match errors::of_creation(&error) {
                        BrokerError::Settings(reason) => reason,
                        other => other.to_string(),
                    };
                    let near = match &error {
                        KafkaError::ClientConfig(ConfRes::RD_KAFKA_CONF_UNKNOWN, ..) => {
                            properties::nearest(name).map(|near| format!("did you mean `{near}`?"))
                        }
                        _ => security::accepted(name).map(str::to_owned),
                    };
                    let help = near.as_deref().unwrap_or(NAMES_AND_VALUES);
                    add(format!("`{name}` under `[kafka]`: {reason}"), help);
                }
            }
        }
        if problems.is_empty() {
            problems = security::problems(self);
        }
        if problems.is_empty() {
            problems = properties::intervals(self);
            problems.extend(properties::assignors(self));
            problems.extend(properties::sizes(self));
        }
        if problems.is_empty() && !self.properties.is_empty() {
            problems.extend(self.refused());
        }
        problems
    }

    /// What librdkafka refuses only when it makes a client: files that it cannot read, and properties
    /// that do not fit together. These clients have no address, so they connect to nothing.
    fn refused(&self) -> Option<KafkaSettingsProblem> {
        let without_address = |mut config: ClientConfig| {
            config.remove("bootstrap.servers");
            config
        };
        let producer: KafkaResult<BaseProducer> = without_address(self.producer()).create();
        // Each client that a service makes, also those that are no members of its group.
        let consumers = [
            self.consumer("check", "check", None, 1 << 20),
            self.client(),
            self.outside("check"),
            self.reader(),
        ];
        let mut refused = consumers
            .into_iter()
            .filter_map(|config| without_address(config).create::<BaseConsumer>().err());
        let reason = match errors::of_creation(&producer.err().or_else(|| refused.next())?) {
            BrokerError::Settings(reason) => reason,
            other => other.to_string(),
        };
        let help = if reason.contains("key values mismatch") {
            "give the key that belongs to the certificate in `ssl.certificate.location`"
        } else if reason.starts_with("ssl.") {
            "check that the file is there, that this process may read it, and that it is PEM where the property asks for PEM"
        } else {
            NAMES_AND_VALUES
        };
        // The property that it is about, as it is the name of what gave the value that helps.
        let names = self.properties.iter().map(|(name, _)| name.as_str());
        let about = names.filter(|name| reason.contains(name)).max_by_key(|name| name.len());
        let reason = self.without_values(reason);
        Some(problem(about, format!("the client refuses what is under `[kafka]`: {reason}"), help))
    }

    /// The reason of a refusal without the values that it repeats: they may be secrets. Numbers are none.
    fn without_values(&self, mut reason: String) -> String {
        for (name, value) in &self.properties {
            let value = value.expose_secret();
            let is_shown = value.len() < 4 || value.parse::<f64>().is_ok() || name.contains(value);
            if !is_shown {
                reason = reason.replace(value, "(its value)");
            }
        }
        reason
    }

    /// The last value that is set for a property.
    pub(super) fn property(&self, name: &str) -> Option<&SecretString> {
        self.properties.iter().rfind(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// How the client speaks to a broker: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub(super) fn security_protocol(&self) -> String {
        let set = self.property("security.protocol");
        set.map_or("plaintext".to_owned(), |set| set.expose_secret().to_ascii_lowercase())
    }

    /// Whether groups follow
    /// [KIP-848](https://cwiki.apache.org/confluence/display/KAFKA/KIP-848%3A+The+Next+Generation+of+the+Consumer+Rebalance+Protocol).
    pub(super) fn has_new_protocol(&self) -> bool {
        let protocol = self.property("group.protocol");
        protocol.is_some_and(|protocol| protocol.expose_secret().eq_ignore_ascii_case("consumer"))
    }

    /// The configuration of a client that only asks.
    pub(super) fn client(&self) -> ClientConfig {
        // Shorter than the time that start-up has, so that it hears of an address that nobody answers.
        without_membership(self.with(&[("socket.connection.setup.timeout.ms", "4000")]))
    }

    /// The configuration of a client that asks for the offsets of `group` and is no member.
    pub(super) fn outside(&self, group: &str) -> ClientConfig {
        self.of_no_member(group)
    }

    /// The configuration of a client that reads without a group.
    pub(super) fn reader(&self) -> ClientConfig {
        // librdkafka assigns nothing without one; no broker ever keeps anything for it.
        let mut config = self.of_no_member("event-core-reader");
        // Without it the end of a partition whose last offsets hold no record is never reached.
        config.set("enable.partition.eof", "true");
        // Whoever looks at records is slower than the broker; the default is 64 MiB.
        config.set("queued.max.messages.kbytes", "8192");
        config
    }

    fn of_no_member(&self, group: &str) -> ClientConfig {
        let mut config = self.with(CONSUMER);
        config.set("group.id", group);
        // With KIP-848 a client is a member by its id alone, and the broker does not know it.
        config.set("group.protocol", "classic");
        for of_members in ["group.instance.id", "group.remote.assignor"] {
            config.remove(of_members);
        }
        without_membership(config)
    }

    /// The configuration of a member of `group`, with the `client_id` that brokers show, which may fetch so
    /// many bytes ahead.
    pub(super) fn consumer(
        &self,
        group: &str,
        client_id: &str,
        instance_id: Option<&str>,
        ahead_bytes: usize,
    ) -> ClientConfig {
        let mut config = self.with(CONSUMER);
        config.set("group.id", group);
        config.set("client.id", client_id);
        let ahead_bytes = self.fetched_ahead_bytes(ahead_bytes);
        config.set(FETCHED_AHEAD, (ahead_bytes / 1024).to_string());
        if self.property(FETCH_MAX).is_none() && config.get(FETCH_MAX).is_some() {
            let at_most = ahead_bytes.clamp(MIN_FETCH_MAX_BYTES, FETCH_MAX_BYTES);
            config.set(FETCH_MAX, at_most.to_string());
        }
        if let Some(instance_id) = instance_id {
            config.set("group.instance.id", instance_id);
        }
        // With KIP-848 these are the broker's, and librdkafka refuses them.
        if !self.has_new_protocol() {
            for (name, value) in CLASSIC_MEMBER {
                if config.get(name).is_none() {
                    config.set(*name, *value);
                }
            }
        }
        config
    }

    /// How many bytes a member fetches ahead that is to fetch `bytes` ahead.
    fn fetched_ahead_bytes(&self, bytes: usize) -> usize {
        self.bytes(FETCHED_AHEAD)
            .map(|kbytes| kbytes.saturating_mul(1024))
            .unwrap_or_else(|| bytes.max(MIN_FETCHED_AHEAD_BYTES))
    }

    fn bytes(&self, name: &str) -> Option<usize> {
        self.property(name)?.expose_secret().trim().parse().ok()
    }

    /// An answer of a broker that is larger than all that may be fetched ahead, where the records of a group
    /// may take so many bytes.
    pub(crate) fn too_large_answer(
        &self,
        max_in_flight_bytes: usize,
    ) -> Option<KafkaSettingsProblem> {
        let answer = self.bytes(FETCH_MAX)?;
        let ahead = self.fetched_ahead_bytes(max_in_flight_bytes / AHEAD);
        if answer <= ahead {
            return None;
        }
        let quarter = || format!("`max_in_flight_bytes` to {}", answer.saturating_mul(AHEAD));
        let (bound, raise) = match self.property(FETCHED_AHEAD) {
            Some(_) => (format!("`{FETCHED_AHEAD}` of each member"), format!("`{FETCHED_AHEAD}`")),
            None if max_in_flight_bytes / AHEAD < MIN_FETCHED_AHEAD_BYTES => {
                ("the least of a member".to_owned(), quarter())
            }
            None => {
                ("a quarter of `max_in_flight_bytes`, shared by the members".to_owned(), quarter())
            }
        };
        let message = format!(
            "`{FETCH_MAX}` under `[kafka]` is {answer}: one answer of a broker takes more memory than \
             all that may be fetched ahead, {ahead} bytes ({bound})"
        );
        Some(problem(Some(FETCH_MAX), message, format!("lower it to {ahead}, or raise {raise}")))
    }

    /// Whether the assignor levels out the partitions of all topics together. Those that a user chooses
    /// in place of it (`range`, `roundrobin`) take each topic by itself, and keep the same partitions of
    /// several topics together, as long as all topics are of one member.
    pub(super) fn shares_by_total(&self) -> bool {
        let last = |name| {
            let last = self.properties.iter().rfind(|(property, _)| property == name);
            last.map(|(_, value)| value.expose_secret())
        };
        match self.has_new_protocol() {
            true => last("group.remote.assignor").is_none_or(|name| name == "uniform"),
            false => {
                last("partition.assignment.strategy").is_none_or(|names| names.contains(ASSIGNOR))
            }
        }
    }

    /// The configuration of a producer.
    pub(super) fn producer(&self) -> ClientConfig {
        self.with(PRODUCER)
    }

    fn with(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        // rdkafka derives the level from the `log` crate, which is silent here; what librdkafka
        // logs goes to `tracing`, which has levels of its own.
        config.set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in COMMON.iter().chain(defaults) {
            config.set(*name, *value);
        }
        if self.property("message.max.bytes").is_some() {
            config.remove(FETCH_MAX);
        }
        config.set("bootstrap.servers", addresses::joined(&self.brokers));
        if !self.client_id.is_empty() {
            config.set("client.id", &self.client_id);
        }
        for (name, value) in &self.properties {
            config.set(name, value.expose_secret());
        }
        config
    }
}

/// Without the intervals in which a member shows that it is alive: those of a user fit together with the
/// defaults of a member, and not with those of a client that is none.
fn without_membership(mut config: ClientConfig) -> ClientConfig {
    for interval in ["max.poll.interval.ms", "session.timeout.ms", "heartbeat.interval.ms"] {
        config.remove(interval);
    }
    config
}

#[cfg(test)]
mod tests;
