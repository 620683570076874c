//! What a service can be told without a rebuild: defaults, then `event.toml`, then `EVENT_*`
//! variables, then flags.

mod origin;
mod sources;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use event_names::{parse_duration, parse_duration_range};
use secrecy::SecretString;
use serde::Deserialize;

pub use origin::Origin;
use sources::{check_variables, file_path, merge, our_variables, read_file};

use crate::event::{GroupName, TopicName};
use crate::outcome::{Backoff, Jitter};
use crate::processor::DeliveryPolicy;
use crate::registry::{StartupProblem, StartupReport};

/// The settings of a service.
///
/// | key in `event.toml` | variable | default | |
/// |---|---|---|---|
/// | `brokers` | `EVENT_BROKERS` | `localhost:9092` | bootstrap addresses, with commas |
/// | `group` | `EVENT_GROUP` | the service's name | consumer group |
/// | `topics` | `EVENT_TOPICS` | all that have a handler | the topics that this deployment may read, with commas or as an array; start-up refuses a handler of another |
/// | `attempts` | `EVENT_ATTEMPTS` | `5` | how often a handler is tried |
/// | `backoff` | `EVENT_BACKOFF` | `200ms..30s` | first and longest delay between attempts |
/// | `max_value_bytes` | `EVENT_MAX_VALUE_BYTES` | `1048576` | larger values are dead-lettered unread |
/// | `max_headers` | `EVENT_MAX_HEADERS` | `1000` | records with more are dead-lettered |
/// | `max_header_bytes` | `EVENT_MAX_HEADER_BYTES` | `262144` | the same for the size of all headers |
/// | `max_in_flight_bytes` | `EVENT_MAX_IN_FLIGHT_BYTES` | `67108864` | shared by the partitions; one beyond its share is not fetched until half is free |
/// | `commit_interval` | `EVENT_COMMIT_INTERVAL` | `1s` | how long a settled record may stay uncommitted |
/// | `drain` | `EVENT_DRAIN` | `20s` | how long a shutdown waits for the records in hand |
/// | `admin_port` | `EVENT_ADMIN_PORT` | off | the port of `/health/live`, `/health/ready` and `/pause`; `0` takes a free one and logs it |
/// | `admin_address` | `EVENT_ADMIN_ADDRESS` | `127.0.0.1` | where it listens; who reaches it can pause handlers |
/// | `liveness_after` | `EVENT_LIVENESS_AFTER` | `5m` | for how long nothing may be settled while records wait: longer than a handler may take, see [`Health`](crate::observe::Health) |
/// | `[kafka]` | `EVENT_KAFKA_*` | | librdkafka properties as they are: `"sasl.password"` or `EVENT_KAFKA_SASL_PASSWORD` |
///
/// `EVENT_LOG` says what is logged to standard error, in the syntax of
/// [`EnvFilter`](https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html):
/// `info`, or `warn,event_core=debug`.
///
/// Durations are an integer and `ms`, `s`, `m` or `h`. The file is `event.toml` in the working
/// directory, or what `--config` or `EVENT_CONFIG` names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Bootstrap addresses, with commas.
    pub brokers: String,
    /// The consumer group.
    pub group: GroupName,
    /// The topics that the service may read; `None` for all that have a handler.
    pub topics: Option<Vec<TopicName>>,
    /// How records are delivered.
    pub policy: DeliveryPolicy,
    /// How many bytes of records may be in hand before fetching pauses.
    pub max_in_flight_bytes: usize,
    /// The name that this process keeps in its consumer groups when it is restarted
    /// (`group.instance.id`).
    pub group_instance_id: Option<String>,
    /// Where health is told and handlers are paused over HTTP; `None` for nowhere.
    pub admin: Option<SocketAddr>,
    /// For how long nothing may be settled while records wait, before the service counts as stuck.
    pub liveness_after: Duration,
    /// librdkafka properties. The values may be secrets and never print.
    pub kafka: BTreeMap<String, SecretString>,
    /// What deserves a look but keeps nobody from starting.
    pub warnings: Vec<StartupProblem>,
    origins: BTreeMap<&'static str, Origin>,
}

/// Flags that override file and environment.
#[derive(Clone, Debug, Default)]
pub struct SettingsOverrides {
    /// The file in place of `event.toml`; it must exist.
    pub config: Option<PathBuf>,
    /// Bootstrap addresses.
    pub brokers: Option<String>,
    /// The consumer group.
    pub group: Option<String>,
}

// A refused dead letter is tried again at this pace too, so it must not be none at all.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(24 * 3600));
const COMMIT_INTERVAL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(3600));
// A revocation waits this long within one poll, and the group evicts a member that does not poll for
// `max.poll.interval.ms`, five minutes by default.
const DRAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(240));

const LIVENESS_AFTER: (Duration, Duration) =
    (Duration::from_secs(10), Duration::from_secs(24 * 3600));

#[derive(Debug, Deserialize)]
struct RawSettings {
    brokers: String,
    group: String,
    topics: Option<String>,
    // Numbers are read here and not by serde, so that every wrong one is reported.
    attempts: String,
    backoff: String,
    max_value_bytes: String,
    max_headers: String,
    max_header_bytes: String,
    max_in_flight_bytes: String,
    commit_interval: String,
    drain: String,
    admin_port: Option<String>,
    admin_address: String,
    liveness_after: String,
    #[serde(default)]
    kafka: BTreeMap<String, String>,
}

impl Settings {
    /// Reads the settings of `service` from all sources.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, at once, and what else deserves a look.
    pub fn load(
        service: &str,
        overrides: &SettingsOverrides,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, StartupReport> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let variables = our_variables(variables, &mut problems);
        let named = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        let path = overrides.config.clone().or_else(|| named("EVENT_CONFIG").map(PathBuf::from));
        let file = read_file(path.as_ref(), &mut problems);
        let path = file_path(path.as_ref());
        check_variables(&variables, &mut warnings, &mut problems);
        let merged = merge(service, (&path, file), &variables, overrides);
        let read = merged.and_then(|merged| {
            Ok((origin::origins(&merged), merged.try_deserialize::<RawSettings>()?))
        });
        let settings = match read {
            Ok((origins, raw)) => raw.interpret(&mut problems).map(|s| Settings { origins, ..s }),
            Err(error) => {
                problems.push(problem(
                    error.to_string(),
                    "see the table of settings in the documentation of `Settings`",
                ));
                None
            }
        };
        match settings.filter(|_| problems.is_empty()) {
            Some(settings) => Ok(Settings { warnings, ..settings }),
            None => {
                let mut report = StartupReport::new(problems);
                report.add_warnings(warnings);
                Err(report)
            }
        }
    }

    /// The value of a key as it was given, and by what; `None` for a key without a value and for
    /// `kafka`, whose values may be secrets.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }
}

fn problem(message: impl Into<String>, help: impl Into<String>) -> StartupProblem {
    StartupProblem::Setting { message: message.into(), help: help.into() }
}

impl RawSettings {
    fn interpret(self, problems: &mut Vec<StartupProblem>) -> Option<Settings> {
        let mut read = Reader(problems);
        let group = read.value(
            "group",
            GroupName::parse(&self.group),
            "name the group with `group` or EVENT_GROUP",
        );
        let topics = self.topics.as_deref().map(|text| read.topics(text));
        let backoff = read.value(
            "backoff",
            parse_duration_range(&self.backoff),
            "write a range like \"200ms..30s\"",
        );
        let commit_interval = read.value(
            "commit_interval",
            parse_duration(&self.commit_interval),
            "write a duration like \"1s\"",
        );
        let drain =
            read.value("drain", parse_duration(&self.drain), "write a duration like \"20s\"");
        let liveness_after = read.value(
            "liveness_after",
            parse_duration(&self.liveness_after),
            "write a duration like \"5m\"",
        );
        let admin_address: Option<IpAddr> = read.value(
            "admin_address",
            self.admin_address.parse(),
            "write an IP address like \"127.0.0.1\"",
        );
        let admin_port = match &self.admin_port {
            Some(port) => read.port("admin_port", port).map(Some),
            None => Some(None),
        };
        let attempts = read.number("attempts", &self.attempts, 1);
        let max_value_bytes = read.number("max_value_bytes", &self.max_value_bytes, 1);
        let max_headers = read.number("max_headers", &self.max_headers, 0);
        let max_header_bytes = read.number("max_header_bytes", &self.max_header_bytes, 0);
        let max_in_flight_bytes = read.number("max_in_flight_bytes", &self.max_in_flight_bytes, 1);
        let (first, longest) = backoff.unzip();
        for (key, value, (least, most)) in [
            ("backoff", first, BACKOFF),
            ("backoff", longest, BACKOFF),
            ("commit_interval", commit_interval, COMMIT_INTERVAL),
            ("drain", drain, DRAIN),
            ("liveness_after", liveness_after, LIVENESS_AFTER),
        ] {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                let message =
                    format!("setting `{key}` is {value:?}, it must be from {least:?} to {most:?}");
                read.0.push(problem(message, "write a duration within that"));
            }
        }
        let kafka: BTreeMap<String, SecretString> =
            self.kafka.into_iter().map(|(name, value)| (name, value.into())).collect();
        #[cfg(feature = "kafka")]
        read.0.extend(kafka_problems(&self.brokers, &kafka));
        Some(Settings {
            brokers: self.brokers,
            group: group?,
            topics,
            policy: DeliveryPolicy {
                attempts: attempts?,
                backoff: Backoff { first: first?, longest: longest?, jitter: Jitter::default() },
                max_value_bytes: max_value_bytes?,
                max_headers: max_headers?,
                max_header_bytes: max_header_bytes?,
                commit_interval: commit_interval?,
                drain_deadline: drain?,
                ..DeliveryPolicy::default()
            },
            max_in_flight_bytes: max_in_flight_bytes?,
            group_instance_id: None,
            admin: admin_port?
                .zip(admin_address)
                .map(|(port, address)| SocketAddr::new(address, port)),
            liveness_after: liveness_after?,
            kafka,
            warnings: Vec::new(),
            origins: BTreeMap::new(),
        })
    }
}

#[cfg(feature = "kafka")]
fn kafka_problems(
    brokers: &str,
    properties: &BTreeMap<String, SecretString>,
) -> Vec<StartupProblem> {
    let settings = crate::broker::kafka::KafkaSettings {
        brokers: brokers.to_owned(),
        client_id: String::new(),
        properties: properties.clone().into_iter().collect(),
    };
    settings.problems().into_iter().map(|wrong| problem(wrong.message, wrong.help)).collect()
}

struct Reader<'a>(&'a mut Vec<StartupProblem>);

impl Reader<'_> {
    fn topics(&mut self, text: &str) -> Vec<TopicName> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let topics: Vec<_> = names.map(TopicName::foreign).collect();
        if topics.is_empty() {
            let message = "setting `topics` names no topic";
            self.0.push(problem(message, "leave it out to read all topics that have a handler"));
        }
        let topics = topics.into_iter().filter_map(|topic| match topic {
            Ok(topic) => Some(topic),
            Err(error) => {
                let message = format!("setting `topics`: {}", error.complaint());
                self.0.push(problem(message, error.advice()));
                None
            }
        });
        topics.collect()
    }

    fn port(&mut self, key: &str, text: &str) -> Option<u16> {
        let port = text.parse().ok();
        if port.is_none() {
            let text = crate::event::excerpt(text, 64);
            let message = format!("setting `{key}` is `{text}`, it must be from 0 to 65535");
            self.0.push(problem(message, "write a port like `9090`, or leave it out for none"));
        }
        port
    }

    fn number<N: TryFrom<u64>>(&mut self, key: &str, text: &str, least: u64) -> Option<N> {
        let number = text.parse().ok().filter(|number| *number >= least);
        let number = number.and_then(|number| N::try_from(number).ok());
        if number.is_none() {
            let text = crate::event::excerpt(text, 64);
            let message =
                format!("setting `{key}` is `{text}`, it must be an integer from {least} on");
            self.0.push(problem(message, format!("write a number like `{}`", least.max(5))));
        }
        number
    }

    fn value<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        result: Result<T, E>,
        help: &str,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(problem(format!("setting `{key}`: {error}"), help));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
