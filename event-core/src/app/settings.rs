//! What can be set without a rebuild: defaults, then `event.toml`, then `EVENT_*`
//! variables, then flags.

mod keys;
mod lines;
mod log_filter;
mod origin;
mod reader;
mod service_links;
mod sources;
mod table;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tracing::info;

use keys::{At, Setting, Value, of_service};
pub use origin::Origin;
use reader::Reader;
use sources::{check_variables, given, kafka, our_variables, read_file};
use tables::Tables;

use crate::broker::OutOfRange;
use crate::event::{GroupName, TopicName};
use crate::processor::DeliveryPolicy;
use crate::registry::{NamedTables, StartupProblem, StartupReport};

/// The settings of a service.
///
#[doc = include_str!("../guide/settings_table.md")]
///
/// ```toml
/// brokers = "kafka-1:9092,kafka-2:9092"
/// unknown_events = "dead_letter"
///
/// [handlers."claims::on_claim_added"]
/// attempts = 10
/// timeout = "5s"
///
/// [topic."role_events"]
/// unknown_events = "skip"
/// ```
///
/// `EVENT_LOG` says what is logged to standard error, in the syntax of
/// [`EnvFilter`](https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html):
/// `info`, or `warn,event_core=debug`. A word that is like a level and is none is a start-up
/// problem; one that is neither a level nor a crate with handlers or contracts is a warning.
///
/// Durations are an integer and `ms`, `s`, `m` or `h`. The file is `event.toml` in the working
/// directory, or what `--config` or `EVENT_CONFIG` names. An empty variable counts as unset. What
/// Kubernetes sets in a pod for a Service whose name begins with `event` (`EVENT_KAFKA_PORT=tcp://..`,
/// `EVENT_KAFKA_SERVICE_HOST`) is known by its form and ignored, with a line at `info`.
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
    /// Where a group goes on whose next records were removed before it read them.
    pub out_of_range: OutOfRange,
    /// How many bytes of records may be in flight before fetching pauses.
    pub max_in_flight_bytes: usize,
    /// The name that this process keeps in its consumer groups when it is restarted
    /// (`group.instance.id`).
    pub group_instance_id: Option<String>,
    /// How many members of a consumer group this process is at most. Topics beyond that share a member,
    /// and an instance of the service may then get more partitions of one of them than another does.
    pub max_members: usize,
    /// Where health is served and handlers are paused over HTTP; `None` for nowhere.
    pub admin: Option<SocketAddr>,
    /// For how long nothing may be settled while records wait, before the service counts as stuck.
    pub liveness_after: Duration,
    /// Whether `run` makes the topics for dead letters, retries and redriven records that are missing.
    pub create_topics: bool,
    /// librdkafka properties. The values may be secrets and never print.
    pub kafka: BTreeMap<String, SecretString>,
    /// What deserves a look but keeps nobody from starting.
    pub warnings: Vec<StartupProblem>,
    origins: BTreeMap<&'static str, Origin>,
    kafka_sources: BTreeMap<String, String>,
    origins_in_tables: BTreeMap<(&'static str, String, &'static str), Origin>,
    tables: NamedTables,
    /// The filter of the log.
    log: Option<String>,
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
        let (variables, links) = service_links::set_apart(variables);
        if !links.is_empty() {
            let variables = links.join(", ");
            info!(target: "event_core", %variables, "ignored: Kubernetes sets these for a Service");
        }
        let named = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        let by_flag = overrides.config.clone().map(|path| (path, "--config"));
        let by_variable = || named("EVENT_CONFIG").map(|path| (path.into(), "EVENT_CONFIG"));
        let mut file = read_file(by_flag.or_else(by_variable), &mut problems);
        problems.extend(named("EVENT_LOG").and_then(|text| log_filter::fault(text)));
        check_variables(&variables, &mut warnings, &mut problems);
        let tables = std::mem::take(&mut file.tables);
        let flags = overrides;
        let given = |setting: &Setting| given(setting, service, &file, &variables, flags);
        let mut settings = Settings { log: named("EVENT_LOG").cloned(), ..Settings::unset() };
        settings.read(given, &mut problems);
        settings.add_tables(tables);
        settings.add_kafka(kafka(&file, &variables), &mut problems);
        if problems.is_empty() {
            return Ok(Settings { warnings, ..settings });
        }
        let mut report = StartupReport::new(problems);
        report.add_warnings(warnings);
        report.tables = settings.tables;
        Err(report)
    }

    /// The value of a key as it was given, and by what; `None` for a key without a value and for
    /// `kafka`, whose values may be secrets.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// The same for a key of `[handlers."id"]`.
    #[must_use]
    pub fn origin_for_handler(&self, id: &str, key: &str) -> Option<&Origin> {
        self.origin_in("handlers", id, key)
    }

    /// The same for a key of `[topic."name"]`.
    #[must_use]
    pub fn origin_for_topic(&self, topic: &str, key: &str) -> Option<&Origin> {
        self.origin_in("topic", topic, key)
    }

    /// Every setting that no handler, group or topic has of its own, with its value and what gave it.
    /// The values for librdkafka may be secrets, so they are not printed.
    pub fn common(&self) -> impl Iterator<Item = (String, Origin)> + '_ {
        let common = of_service().filter(|setting| {
            setting.key != "group" && setting.handler.is_none() && setting.topic.is_none()
        });
        let common = common.map(|setting| {
            let absent = || Origin { value: setting.absent.into(), source: "default".into() };
            (setting.key.to_owned(), self.origin(setting.key).cloned().unwrap_or_else(absent))
        });
        let kafka = self.kafka_sources.iter().map(|(name, source)| {
            let origin = Origin { value: "not shown".into(), source: source.clone() };
            (format!("[kafka] {name}"), origin)
        });
        common.chain(kafka)
    }

    /// What gave a key its value.
    pub(super) fn source(&self, key: &str) -> &str {
        self.origin(key).map_or("default", |origin| &origin.source)
    }

    /// The same for a key of `[handlers."id"]`.
    pub(super) fn source_for_handler(&self, id: &str, key: &str) -> &str {
        self.origin_for_handler(id, key).map_or(BY_PROGRAM, |origin| &origin.source)
    }

    /// The tables of handlers and topics, also those that a program has put in.
    pub(super) fn named_tables(&self) -> NamedTables {
        let handlers = self.policy.handlers.keys().map(|id| ("handlers", id.clone()));
        let topics = self.policy.unknown_events_of.keys().map(|topic| ("topic", topic.clone()));
        let by_program = handlers.chain(topics).map(|named| (named, BY_PROGRAM.to_owned()));
        let mut tables: NamedTables = by_program.collect();
        tables.extend(self.tables.clone());
        tables
    }

    /// The filter of the log when it is a word that is neither a level nor one of `crates`.
    pub(super) fn stranger_in_log(&self, crates: &BTreeSet<String>) -> Option<StartupProblem> {
        self.log.as_deref().and_then(|text| log_filter::stranger(text, crates))
    }

    fn origin_in(&self, table: &str, name: &str, key: &str) -> Option<&Origin> {
        let mut all = self.origins_in_tables.iter();
        all.find(|((t, n, k), _)| *t == table && n == name && *k == key).map(|(_, origin)| origin)
    }
}

/// Whether `EVENT_LOG` is refused with the settings.
#[cfg(feature = "cli")]
pub(crate) fn has_wrong_level(log: &str) -> bool {
    log_filter::fault(log).is_some()
}

/// Where a text names a property, and not a longer one that has it in it.
#[cfg(feature = "kafka")]
fn place_of_name(text: &str, name: &str) -> Option<usize> {
    let is_of_name = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"._".contains(byte))
    };
    let bytes = text.as_bytes();
    let mut found = text.match_indices(name).map(|(at, _)| at);
    found.find(|at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !is_of_name(before) && !is_of_name(bytes.get(at + name.len()))
    })
}

/// Within what time a member has to poll.
const POLL_INTERVAL: &str = "max.poll.interval.ms";

fn poll_interval(kafka: &BTreeMap<String, SecretString>) -> Option<Duration> {
    let given = kafka.get(POLL_INTERVAL)?.expose_secret();
    given.trim().parse().ok().map(Duration::from_millis)
}

// What gave a value that is in no file, variable or flag.
const BY_PROGRAM: &str = "the program";

fn problem(message: impl Into<String>, help: impl Into<String>) -> StartupProblem {
    StartupProblem::Setting { message: message.into(), help: help.into() }
}

impl SettingsOverrides {
    /// What a flag says of a setting, and which.
    fn of(&self, key: &str) -> Option<(&'static str, &String)> {
        match key {
            "brokers" => self.brokers.as_ref().map(|brokers| ("--brokers", brokers)),
            "group" => self.group.as_ref().map(|group| ("--group", group)),
            _ => None,
        }
    }
}

// How the settings come about.
impl Settings {
    /// Those of a program that reads none.
    #[cfg(feature = "testing")]
    pub(crate) fn of_program(group: GroupName, policy: DeliveryPolicy) -> Self {
        Settings { group, policy, ..Settings::unset() }
    }

    // What each setting is before its value or default is read.
    fn unset() -> Self {
        // A wrong `drain` or `max_in_flight_bytes` conflicts with nothing.
        let policy = DeliveryPolicy { drain_timeout: Duration::ZERO, ..DeliveryPolicy::default() };
        Settings {
            brokers: String::new(),
            group: GroupName::unset(),
            topics: None,
            policy,
            out_of_range: OutOfRange::default(),
            max_in_flight_bytes: usize::MAX,
            group_instance_id: None,
            max_members: 0,
            admin: None,
            liveness_after: Duration::ZERO,
            create_topics: false,
            kafka: BTreeMap::new(),
            warnings: Vec::new(),
            origins: BTreeMap::new(),
            kafka_sources: BTreeMap::new(),
            origins_in_tables: BTreeMap::new(),
            tables: NamedTables::new(),
            log: None,
        }
    }

    // After a wrong value the others are read too, so that all wrong ones are reported.
    fn read(
        &mut self,
        given: impl Fn(&Setting) -> Option<Origin>,
        problems: &mut Vec<StartupProblem>,
    ) {
        for setting in of_service() {
            let (Some(set), Some(origin)) = (setting.service, given(setting)) else { continue };
            let at = At { setting, table: None, source: &origin.source };
            set(self, Value { at, text: &origin.value }, &mut Reader(problems));
            self.origins.insert(setting.key, origin);
        }
    }

    fn add_tables(&mut self, Tables { handlers, topics, origins, sources }: Tables) {
        let unknown = topics.into_iter().filter_map(|(name, of)| Some((name, of.unknown_events?)));
        self.policy.unknown_events_of = unknown.collect();
        self.policy.handlers = handlers;
        self.origins_in_tables = origins;
        self.tables = sources;
    }

    fn add_kafka(&mut self, kafka: BTreeMap<String, Origin>, problems: &mut Vec<StartupProblem>) {
        for (name, Origin { value, source }) in kafka {
            self.kafka.insert(name.clone(), value.into());
            self.kafka_sources.insert(name, source);
        }
        #[cfg(feature = "kafka")]
        problems.extend(self.kafka_problems());
        let (drain, poll) = (self.policy.drain_timeout, poll_interval(&self.kafka));
        if let Some(poll) = poll.filter(|poll| drain >= *poll) {
            let source = self.kafka_sources.get(POLL_INTERVAL).map_or(BY_PROGRAM, String::as_str);
            let of_drain = self.source("drain");
            let message = format!(
                "setting `drain` (from {of_drain}) is {drain:?} and `{POLL_INTERVAL}` (from {source}) {poll:?}: a revocation waits for `drain` within one poll, and the group would take the member for dead"
            );
            problems.push(problem(message, format!("make `drain` shorter than `{POLL_INTERVAL}`")));
        }
    }

    #[cfg(feature = "kafka")]
    fn kafka_problems(&self) -> Vec<StartupProblem> {
        let settings = crate::broker::kafka::KafkaSettings {
            brokers: self.brokers.clone(),
            client_id: String::new(),
            properties: self.kafka.clone().into_iter().collect(),
        };
        let mut problems = settings.problems();
        if problems.is_empty() {
            problems.extend(settings.too_large_answer(self.max_in_flight_bytes));
        }
        let problems = problems.into_iter().map(|wrong| {
            let mut sources = match wrong.setting.as_deref() {
                Some("brokers") => vec![self.source("brokers")],
                property => self.kafka_sources_in(&wrong.message, property),
            };
            sources.retain(|source| *source != "default");
            let from = match &sources[..] {
                [] => String::new(),
                sources => format!(" (from {})", sources.join(" and ")),
            };
            problem(format!("{}{from}", wrong.message), wrong.help)
        });
        problems.collect()
    }

    /// What gave the properties that a `message` names, in its order; that which it is `about` at least.
    #[cfg(feature = "kafka")]
    fn kafka_sources_in(&self, message: &str, about: Option<&str>) -> Vec<&str> {
        let named = self.kafka_sources.iter().filter_map(|(name, source)| {
            let at = place_of_name(message, name);
            let at = at.or_else(|| (about == Some(name)).then_some(0))?;
            Some((at, source.as_str()))
        });
        let mut named: Vec<_> = named.collect();
        named.sort_unstable();
        let mut sources: Vec<_> = named.into_iter().map(|(_, source)| source).collect();
        sources.dedup();
        sources
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
