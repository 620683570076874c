//! What a service can be told without a rebuild: defaults, then `event.toml`, then `EVENT_*`
//! variables, then flags.

mod keys;
mod lines;
mod log_filter;
mod origin;
mod reader;
mod service_links;
mod sources;
mod tables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tracing::info;

use keys::{At, Value};
pub use origin::Origin;
use reader::{BACKOFF, BREAKER_PAUSE, COMMIT_INTERVAL, DRAIN, LIVENESS_AFTER, Reader, TIMEOUT};
use tables::Tables;

use sources::{check_variables, merge, our_variables, read_file};

use crate::broker::OutOfRange;
use crate::event::{EnvelopeRules, GroupName, TopicName};
use crate::handler::BreakerOptions;
use crate::outcome::Backoff;
use crate::processor::DeliveryPolicy;
use crate::registry::{NamedTables, StartupProblem, StartupReport};

/// The settings of a service.
///
/// | key in `event.toml` | variable | default | |
/// |---|---|---|---|
/// | `brokers` | `EVENT_BROKERS` | `localhost:9092` | bootstrap addresses, `host:port` or `[IPv6]:port`, with commas; without a port 9092 |
/// | `group` | `EVENT_GROUP` | the service's name | consumer group |
/// | `group_instance_id` | `EVENT_GROUP_INSTANCE_ID` | none | a name that this process keeps in its groups when it is restarted; no other process may have it |
/// | `max_members` | `EVENT_MAX_MEMBERS` | `16` | how many members of each group this process is at most: by default each topic has one of its own, so that its partitions are shared evenly; each is a client with threads and connections |
/// | `topics` | `EVENT_TOPICS` | all that have a handler | the topics that this deployment may read, with commas or as an array; start-up refuses a handler of another |
/// | `create_topics` | `EVENT_CREATE_TOPICS` | `false` | whether `run` makes the topics for dead letters, retries and redriven records that are missing |
/// | `unknown_events` | `EVENT_UNKNOWN_EVENTS` | `skip` | what becomes of an event that no handler takes: `skip`, `dead_letter` or `stop`; see `[topic."name"]` |
/// | `out_of_range` | `EVENT_OUT_OF_RANGE` | `earliest` | where a group goes on whose next records were removed before it read them: at the `earliest` that is left, at the `latest`, or `stop`: the service ends until a person sets the offset with `seek` |
/// | `attempts` | `EVENT_ATTEMPTS` | `5` | how often a handler is tried |
/// | `backoff` | `EVENT_BACKOFF` | `200ms..30s` | first and longest delay between attempts |
/// | `jitter` | `EVENT_JITTER` | `equal` | how much of a delay is chance: `none`, `equal` for half of it, `full` |
/// | `timeout` | `EVENT_TIMEOUT` | none | how long an attempt may take; of a `blocking` handler as long as it wants |
/// | `breaker_failures` | `EVENT_BREAKER_FAILURES` | `20` | after how many failed attempts in a row a handler is left alone for a while; `0` is never |
/// | `breaker_pause` | `EVENT_BREAKER_PAUSE` | `5s..1m` | for how long: the first time, and at most |
/// | `max_concurrency` | `EVENT_MAX_CONCURRENCY` | `1000` | how many calls run at once in the service, over all its groups, of the handlers that do not keep the order of the partition |
/// | `naive_times` | `EVENT_NAIVE_TIMES` | `ignore` | what an `occurredAt` without a zone is: `ignore` for none, with a warning in the log, or `utc` |
/// | `lone_surrogates` | `EVENT_LONE_SURROGATES` | `handle` | what becomes of a record with half of a surrogate pair (`\ud83d` alone) in a text: `handle` dead-letters it where its handler reads that text, `dead_letter` in any case |
/// | `max_value_bytes` | `EVENT_MAX_VALUE_BYTES` | `1048576` | larger values are dead-lettered unread |
/// | `max_headers` | `EVENT_MAX_HEADERS` | `1000` | records with more are dead-lettered |
/// | `max_header_bytes` | `EVENT_MAX_HEADER_BYTES` | `262144` | the same for the size of all headers |
/// | `max_in_flight_bytes` | `EVENT_MAX_IN_FLIGHT_BYTES` | `67108864` | records of a group in memory: a quarter may be fetched ahead by the client, the rest is shared by the partitions, records that wait for their next attempt included; one that has more than its share and than is free is not fetched until half is free |
/// | `commit_interval` | `EVENT_COMMIT_INTERVAL` | `1s` | how long a settled record may stay uncommitted |
/// | `commit_records` | `EVENT_COMMIT_RECORDS` | `100000` | after how many settled records offsets are committed, however short the time |
/// | `max_metadata_bytes` | `EVENT_MAX_METADATA_BYTES` | `4096` | how much of a commit may say what is settled above its offset; the broker's `offset.metadata.max.bytes` |
/// | `drain` | `EVENT_DRAIN` | `20s` | how long a shutdown waits for the records in hand |
/// | `admin_port` | `EVENT_ADMIN_PORT` | off | the port of `/health/live`, `/health/ready` and `/pause`; `0` takes a free one and logs it |
/// | `admin_address` | `EVENT_ADMIN_ADDRESS` | `127.0.0.1` | where it listens; who reaches it can pause handlers |
/// | `liveness_after` | `EVENT_LIVENESS_AFTER` | `5m` | for how long nothing may be settled while records wait, and a handler may have a record in hand: longer than one may take, see [`Health`](crate::observe::Health) |
/// | `[kafka]` | `EVENT_KAFKA_*` | | librdkafka properties as they are: `"sasl.password"` or `EVENT_KAFKA_SASL_PASSWORD` |
/// | `[handlers."id"]` | | | for the handler with this id: `attempts`, `backoff`, `jitter`, `timeout`, `concurrency`, `breaker_failures`, `breaker_pause`; goes before what its attribute says |
/// | `[topic."name"]` | | | for this topic: `unknown_events` |
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
/// `info`, or `warn,event_core=debug`. A word that is no level and no module is a start-up problem.
///
/// Within bounds: `backoff`, `breaker_pause` and `timeout` from 1 ms to a day, `commit_interval` from 1 ms
/// to an hour, `drain` from 1 s to 4 minutes, `liveness_after` from 10 s to a day; `attempts`,
/// `max_members`, `max_concurrency`, `max_value_bytes`, `max_in_flight_bytes` and `commit_records` from 1 on.
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
    /// How many bytes of records may be in hand before fetching pauses.
    pub max_in_flight_bytes: usize,
    /// The name that this process keeps in its consumer groups when it is restarted
    /// (`group.instance.id`).
    pub group_instance_id: Option<String>,
    /// How many members of a consumer group this process is at most. Topics beyond that share a member,
    /// and an instance of the service may then get more partitions of one of them than another does.
    pub max_members: usize,
    /// Where health is told and handlers are paused over HTTP; `None` for nowhere.
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
        let file = read_file(by_flag.or_else(by_variable), &mut problems);
        problems.extend(named("EVENT_LOG").and_then(|text| log_filter::fault(text)));
        check_variables(&variables, &mut warnings, &mut problems);
        let tables = file.tables.sources.clone();
        let merged = merge(service, &file, &variables, overrides);
        let read = merged.and_then(|merged| {
            let kafka = merged.get::<BTreeMap<String, String>>("kafka")?;
            let (values, kafka_sources) =
                (origin::origins(&merged), origin::kafka_sources(&merged));
            Ok(Given { values, kafka, kafka_sources, tables: file.tables })
        });
        let settings = match read {
            Ok(given) => given.interpret(&mut problems),
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
                report.tables = tables;
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
    /// The values for librdkafka may be secrets, so they are not told.
    pub fn common(&self) -> impl Iterator<Item = (String, Origin)> + '_ {
        let tables = || keys::HANDLER_KEYS.iter().chain(keys::TOPIC_KEYS);
        let common = keys::KEYS
            .iter()
            .filter(move |key| key.name != "group" && tables().all(|other| other.name != key.name));
        let common = common.map(|key| {
            let absent = || Origin { value: key.absent.into(), source: "default".into() };
            (key.name.to_owned(), self.origin(key.name).cloned().unwrap_or_else(absent))
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

/// What all sources give together.
struct Given {
    values: BTreeMap<&'static str, Origin>,
    kafka: BTreeMap<String, String>,
    kafka_sources: BTreeMap<String, String>,
    tables: Tables,
}

impl Given {
    // Every value is read before the first wrong one ends it, so that all wrong ones are reported.
    fn interpret(self, problems: &mut Vec<StartupProblem>) -> Option<Settings> {
        let mut read = Reader(problems);
        let given = |key: &'static str| {
            let origin = self.values.get(key)?;
            Some(Value { at: At { key, table: None, source: &origin.source }, text: &origin.value })
        };
        let absent = |key| Value { at: At { key, table: None, source: "default" }, text: "" };
        let always = |key| given(key).unwrap_or_else(|| absent(key));
        let group = read.group(always("group"));
        let group_instance_id = given("group_instance_id").map(|value| read.instance_id(value));
        let max_members = read.number(always("max_members"), 1);
        let topics = given("topics").map(|value| read.topics(value));
        let create_topics = read.flag(always("create_topics"));
        let unknown_events = read.unknown_events(always("unknown_events"));
        let out_of_range = read.out_of_range(always("out_of_range"));
        let attempts = read.number(always("attempts"), 1);
        let backoff = read.range(always("backoff"), BACKOFF, "200ms..30s");
        let jitter = read.jitter(always("jitter"));
        let timeout = given("timeout").map(|value| read.duration(value, TIMEOUT, "10s"));
        let breaker_failures = read.number(always("breaker_failures"), 0);
        let breaker_pause = read.range(always("breaker_pause"), BREAKER_PAUSE, "5s..1m");
        let max_concurrency = read.number(always("max_concurrency"), 1);
        let naive_times = read.naive_times(always("naive_times"));
        let lone_surrogates = read.lone_surrogates(always("lone_surrogates"));
        let max_value_bytes = read.number(always("max_value_bytes"), 1);
        let max_headers = read.number(always("max_headers"), 0);
        let max_header_bytes = read.number(always("max_header_bytes"), 0);
        let max_in_flight_bytes = read.number(always("max_in_flight_bytes"), 1);
        let commit_interval = read.duration(always("commit_interval"), COMMIT_INTERVAL, "1s");
        let commit_records = read.number(always("commit_records"), 1);
        let max_metadata_bytes = read.number(always("max_metadata_bytes"), 0);
        let drain = read.duration(always("drain"), DRAIN, "20s");
        let admin_port = given("admin_port").map(|value| read.port(value));
        let admin_address = read.ip_address(always("admin_address"));
        let liveness_after = read.duration(always("liveness_after"), LIVENESS_AFTER, "5m");
        let brokers = always("brokers").text.to_owned();
        let kafka: BTreeMap<String, SecretString> =
            self.kafka.into_iter().map(|(name, value)| (name, value.into())).collect();
        #[cfg(feature = "kafka")]
        read.0.extend(kafka_problems(&brokers, &kafka, max_in_flight_bytes, |name| match name {
            "brokers" => Some(always("brokers").at.source),
            property => self.kafka_sources.get(property).map(String::as_str),
        }));
        if let (Some(drain), Some(poll)) = (drain, poll_interval(&kafka))
            && drain >= poll
        {
            let source =
                self.kafka_sources.get(POLL_INTERVAL).map_or("the program", String::as_str);
            let message = format!(
                "setting `drain` is {drain:?} and `{POLL_INTERVAL}` (from {source}) {poll:?}: a revocation waits for `drain` within one poll, and the group would take the member for dead"
            );
            read.0.push(problem(message, format!("make `drain` shorter than `{POLL_INTERVAL}`")));
        }
        let (first, longest) = backoff?;
        Some(Settings {
            brokers,
            group: group?,
            topics,
            policy: DeliveryPolicy {
                attempts: attempts?,
                backoff: Backoff { first, longest, jitter: jitter? },
                timeout: timeout.flatten(),
                breaker: BreakerOptions { failures: breaker_failures?, pause: breaker_pause? },
                handlers: self.tables.handlers,
                max_concurrency: max_concurrency?,
                unknown_events: unknown_events?,
                unknown_events_of: self.tables.unknown_events_of,
                max_value_bytes: max_value_bytes?,
                max_headers: max_headers?,
                max_header_bytes: max_header_bytes?,
                envelope: EnvelopeRules::default()
                    .naive_times(naive_times?)
                    .lone_surrogates(lone_surrogates?),
                commit_interval: commit_interval?,
                commit_records: commit_records?,
                max_metadata_bytes: max_metadata_bytes?,
                drain_deadline: drain?,
            },
            out_of_range: out_of_range?,
            max_in_flight_bytes: max_in_flight_bytes?,
            group_instance_id: group_instance_id.flatten(),
            max_members: max_members?,
            admin: admin_port
                .flatten()
                .zip(admin_address)
                .map(|(port, address)| SocketAddr::new(address, port)),
            liveness_after: liveness_after?,
            create_topics: create_topics?,
            kafka,
            warnings: Vec::new(),
            origins: self.values,
            kafka_sources: self.kafka_sources,
            origins_in_tables: self.tables.origins,
            tables: self.tables.sources,
        })
    }
}

#[cfg(feature = "kafka")]
fn kafka_problems<'a>(
    brokers: &str,
    properties: &BTreeMap<String, SecretString>,
    max_in_flight_bytes: Option<usize>,
    source: impl Fn(&str) -> Option<&'a str>,
) -> Vec<StartupProblem> {
    let settings = crate::broker::kafka::KafkaSettings {
        brokers: brokers.to_owned(),
        client_id: String::new(),
        properties: properties.clone().into_iter().collect(),
    };
    let mut problems = settings.problems();
    if problems.is_empty() {
        problems.extend(max_in_flight_bytes.and_then(|limit| settings.too_large_answer(limit)));
    }
    let problems = problems.into_iter().map(|wrong| {
        let source = wrong.setting.as_deref().and_then(&source).filter(|from| *from != "default");
        let from = source.map_or_else(String::new, |source| format!(" (from {source})"));
        problem(format!("{}{from}", wrong.message), wrong.help)
    });
    problems.collect()
}

#[cfg(test)]
mod tests;
