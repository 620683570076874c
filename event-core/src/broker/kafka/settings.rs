//! What a user may set, and what the client gets.
//!
//! Any librdkafka property may be set except those on which the promises of this crate rest.
//! Values are secrets from here on: rdkafka's `ClientConfig` prints them in `Debug` and in its
//! errors, so neither ever leaves this folder.

use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use secrecy::{ExposeSecret, SecretString};

use super::trouble;
use crate::broker::BrokerError;

/// How to reach a Kafka cluster.
#[derive(Clone, Default)]
pub struct KafkaSettings {
    /// The addresses to ask first, `host:port` with commas between.
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
        "client.id" => "the service's name is used: set the name of the app",
        "group.id" => "offsets belong to a group: set `group`",
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
    // A damaged record is an error, not a surprise in a handler.
    ("check.crcs", "true"),
    // With the classic protocol a topic that is deleted and made again is a silent stall until
    // the next refresh, five minutes by default.
    ("topic.metadata.refresh.interval.ms", "3000"),
];

/// Defaults of the producer.
const PRODUCER: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "true"),
    // Enough to fill batches under load, not enough to feel.
    ("linger.ms", "2"),
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

/// Something wrong with [`KafkaSettings`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {help}")]
pub struct KafkaSettingsProblem {
    /// What is wrong; never a value.
    pub message: String,
    /// What to do instead.
    pub help: String,
}

fn problem(message: String, help: impl Into<String>) -> KafkaSettingsProblem {
    KafkaSettingsProblem { message, help: help.into() }
}

impl KafkaSettings {
    /// Everything that is wrong with the settings.
    #[must_use]
    pub fn problems(&self) -> Vec<KafkaSettingsProblem> {
        let mut problems = Vec::new();
        if self.brokers.split(',').all(|address| address.trim().is_empty()) {
            problems.push(problem("no broker address is set".to_owned(), "set `brokers`"));
        }
        let new_protocol = self.has_new_protocol();
        let has_tls = cfg!(any(feature = "tls", feature = "tls-vendored"));
        for (name, value) in &self.properties {
            if let Some(reason) = refused_property(name) {
                problems.push(problem(format!("`{name}` cannot be set under `[kafka]`"), reason));
            } else if let Some(reason) = refused_value(name, value.expose_secret()) {
                problems.push(problem(format!("`{name}` cannot be 0 under `[kafka]`"), reason));
            } else if new_protocol && OF_CLASSIC_GROUPS.contains(&name.as_str()) {
                problems.push(problem(
                    format!("`{name}` is the broker's with `group.protocol=consumer`"),
                    "set it on the broker, or leave `group.protocol` out",
                ));
            } else if !has_tls && needs_tls(name, value.expose_secret()) {
                problems.push(problem(
                    format!("`{name}` asks for TLS, which this build does not have"),
                    "build event-core with the feature `tls` or `tls-vendored`",
                ));
            } else {
                let mut config = ClientConfig::new();
                config.set(name, value.expose_secret());
                if let Err(error) = config.create_native_config() {
                    let reason = match trouble::of_creation(&error) {
                        BrokerError::Settings(reason) => reason,
                        other => other.to_string(),
                    };
                    problems.push(problem(
                        format!("`{name}` under `[kafka]`: {reason}"),
                        "see librdkafka's CONFIGURATION.md for the names and values",
                    ));
                }
            }
        }
        problems
    }

    /// Whether groups follow
    /// [KIP-848](https://cwiki.apache.org/confluence/display/KAFKA/KIP-848%3A+The+Next+Generation+of+the+Consumer+Rebalance+Protocol).
    fn has_new_protocol(&self) -> bool {
        let last = self.properties.iter().rfind(|(name, _)| name == "group.protocol");
        last.is_some_and(|(_, protocol)| protocol.expose_secret().eq_ignore_ascii_case("consumer"))
    }

    /// The configuration of a client that only asks.
    pub(super) fn client(&self) -> ClientConfig {
        self.with(&[])
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
        config
    }

    /// The configuration of a member of `group`.
    pub(super) fn consumer(&self, group: &str, instance_id: Option<&str>) -> ClientConfig {
        let mut config = self.with(CONSUMER);
        config.set("group.id", group);
        if let Some(instance_id) = instance_id {
            config.set("group.instance.id", instance_id);
        }
        // With KIP-848 the broker assigns, and librdkafka refuses the setting. The classic
        // default of librdkafka stops the whole group at every change.
        if !self.has_new_protocol() && config.get("partition.assignment.strategy").is_none() {
            config.set("partition.assignment.strategy", "cooperative-sticky");
        }
        config
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
        config.set("bootstrap.servers", &self.brokers);
        if !self.client_id.is_empty() {
            config.set("client.id", &self.client_id);
        }
        for (name, value) in &self.properties {
            config.set(name, value.expose_secret());
        }
        config
    }
}

#[cfg(test)]
mod tests;
