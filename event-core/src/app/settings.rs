//! What a service can be told without a rebuild: defaults, then `event.toml`, then `EVENT_*`
//! variables, then flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use config::{Config, Map, Value, ValueKind};
use secrecy::SecretString;
use serde::Deserialize;

use super::duration::{parse_duration, parse_range};
use crate::event::GroupName;
use crate::outcome::Backoff;
use crate::processor::DeliveryPolicy;
use crate::registry::StartupProblem;

/// The settings of a service.
///
/// | key in `event.toml` | variable | default | |
/// |---|---|---|---|
/// | `brokers` | `EVENT_BROKERS` | `localhost:9092` | bootstrap addresses, with commas |
/// | `group` | `EVENT_GROUP` | the service's name | consumer group |
/// | `attempts` | `EVENT_ATTEMPTS` | `5` | how often a handler is tried |
/// | `backoff` | `EVENT_BACKOFF` | `200ms..30s` | first and longest delay between attempts |
/// | `max_value_bytes` | `EVENT_MAX_VALUE_BYTES` | `1048576` | larger values are dead-lettered unread |
/// | `max_headers` | `EVENT_MAX_HEADERS` | `1000` | records with more are dead-lettered |
/// | `max_header_bytes` | `EVENT_MAX_HEADER_BYTES` | `262144` | the same for the size of all headers |
/// | `max_in_flight_bytes` | `EVENT_MAX_IN_FLIGHT_BYTES` | `67108864` | beyond it fetching pauses |
/// | `commit_interval` | `EVENT_COMMIT_INTERVAL` | `1s` | how long a settled record may stay uncommitted |
/// | `drain` | `EVENT_DRAIN` | `20s` | how long a shutdown waits for the records in hand |
/// | `[kafka]` | `EVENT_KAFKA_*` | | librdkafka properties as they are: `"sasl.password"` or `EVENT_KAFKA_SASL_PASSWORD` |
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
    /// How records are delivered.
    pub policy: DeliveryPolicy,
    /// How many bytes of records may be in hand before fetching pauses.
    pub max_in_flight_bytes: usize,
    /// librdkafka properties. The values may be secrets and never print.
    pub kafka: BTreeMap<String, SecretString>,
    /// What deserves a look but keeps nobody from starting.
    pub warnings: Vec<String>,
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

const KEYS: [&str; 11] = [
    "brokers",
    "group",
    "attempts",
    "backoff",
    "max_value_bytes",
    "max_headers",
    "max_header_bytes",
    "max_in_flight_bytes",
    "commit_interval",
    "drain",
    "kafka",
];

// Variables that are ours but no settings.
const OTHER_VARIABLES: [&str; 2] = ["EVENT_CONFIG", "EVENT_LOG"];

const KAFKA_PREFIX: &str = "EVENT_KAFKA_";

// A misspelt variable that is this close to one of ours is an error, not a stranger's.
const NEAR: usize = 2;

// A refused dead letter is tried again at this pace too, so it must not be none at all.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(24 * 3600));
const COMMIT_INTERVAL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(3600));
// A revocation waits this long within one poll, and the group evicts a member that does not poll for
// `max.poll.interval.ms`, five minutes by default.
const DRAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(240));

#[derive(Debug, Deserialize)]
struct RawSettings {
    brokers: String,
    group: String,
    // Numbers are read here and not by serde, so that every wrong one is reported.
    attempts: String,
    backoff: String,
    max_value_bytes: String,
    max_headers: String,
    max_header_bytes: String,
    max_in_flight_bytes: String,
    commit_interval: String,
    drain: String,
    #[serde(default)]
    kafka: BTreeMap<String, String>,
}

impl Settings {
    /// Reads the settings of `service` from all sources.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, at once.
    pub fn load(
        service: &str,
        overrides: &SettingsOverrides,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Vec<StartupProblem>> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let variables = our_variables(variables, &mut problems);
        let named = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        let path = overrides.config.clone().or_else(|| named("EVENT_CONFIG").map(PathBuf::from));
        let file = read_file(path, &mut problems);
        check_variables(&variables, &mut warnings, &mut problems);
        let merged = merge(service, file, &variables, overrides);
        match merged.and_then(Config::try_deserialize::<RawSettings>) {
            Ok(raw) => {
                let settings = raw.interpret(warnings, &mut problems);
                settings.filter(|_| problems.is_empty()).ok_or(problems)
            }
            Err(error) => {
                problems.push(problem(
                    error.to_string(),
                    "see the table of settings in the documentation of `Settings`",
                ));
                Err(problems)
            }
        }
    }
}

fn problem(message: impl Into<String>, help: impl Into<String>) -> StartupProblem {
    StartupProblem::Setting { message: message.into(), help: help.into() }
}

fn our_variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<StartupProblem>,
) -> Vec<(String, String)> {
    let mut ours = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("EVENT_")) else { continue };
        match value.into_string() {
            Ok(value) => ours.push((name.to_owned(), value)),
            Err(_) => problems.push(problem(
                format!("the variable {name} is not UTF-8"),
                "write the value as UTF-8 text",
            )),
        }
    }
    ours
}

fn read_file(path: Option<PathBuf>, problems: &mut Vec<StartupProblem>) -> toml::Table {
    let required = path.is_some();
    let path = path.unwrap_or_else(|| PathBuf::from("event.toml"));
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => String::new(),
        Err(error) => {
            problems.push(problem(
                format!("the settings file `{shown}` cannot be read: {error}"),
                "check `--config` and EVENT_CONFIG",
            ));
            String::new()
        }
    };
    let mut table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            // Only the reason: the lines that the full message quotes may hold a secret.
            let at = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            let message =
                format!("the settings file `{shown}` is not TOML, line {at}: {}", error.message());
            problems.push(problem(message, "mend that line"));
            return toml::Table::new();
        }
    };
    table.retain(|key, value| {
        let known = KEYS.contains(&key);
        if key == "kafka" && !value.is_table() {
            let message =
                format!("the settings file `{shown}` gives `kafka` a value, it is a table");
            problems
                .push(problem(message, "write `[kafka]` and below it `\"property\" = \"value\"`"));
            return false;
        }
        if !known {
            let message = format!("the settings file `{shown}` has an unknown key `{key}`");
            problems.push(problem(message, meant(key, KEYS.iter().copied())));
        }
        known
    });
    table
}

fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some((near, distance)) if distance <= name.len() / 2 => format!("did you mean `{near}`?"),
        _ => format!("the keys are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<(&'a str, usize)> {
    known
        .map(|key| (key, strsim::damerau_levenshtein(name, key)))
        .min_by_key(|(_, distance)| *distance)
}

fn variable_of(key: &str) -> String {
    format!("EVENT_{}", key.to_ascii_uppercase())
}

fn check_variables(
    variables: &[(String, String)],
    warnings: &mut Vec<String>,
    problems: &mut Vec<StartupProblem>,
) {
    let known: Vec<String> = KEYS
        .iter()
        .filter(|key| **key != "kafka")
        .map(|key| variable_of(key))
        .chain(OTHER_VARIABLES.map(str::to_owned))
        .collect();
    for (name, _) in variables {
        if known.contains(name) || name.starts_with(KAFKA_PREFIX) {
            continue;
        }
        match nearest(name, known.iter().map(String::as_str)) {
            Some((near, distance)) if distance <= NEAR => problems.push(problem(
                format!("the variable {name} is not a setting"),
                format!("did you mean {near}?"),
            )),
            _ => warnings.push(format!("the variable {name} is not a setting and was ignored")),
        }
    }
}

fn merge(
    service: &str,
    file: toml::Table,
    variables: &[(String, String)],
    overrides: &SettingsOverrides,
) -> Result<Config, config::ConfigError> {
    let policy = DeliveryPolicy::default();
    let mut builder = Config::builder()
        .set_default("brokers", "localhost:9092")?
        .set_default("group", service)?
        .set_default("attempts", policy.attempts)?
        .set_default("backoff", "200ms..30s")?
        .set_default("max_value_bytes", 1_u64 << 20)?
        .set_default("max_headers", 1000)?
        .set_default("max_header_bytes", 256_u64 << 10)?
        .set_default("max_in_flight_bytes", 64_u64 << 20)?
        .set_default("commit_interval", "1s")?
        .set_default("drain", "20s")?;
    let mut kafka = Map::new();
    let from_file = String::from("event.toml");
    for (key, value) in file {
        match value {
            // Property names have dots, which a path into the settings would split.
            toml::Value::Table(table) if key == "kafka" => {
                for (name, value) in flat(table) {
                    kafka.insert(name, plain(&from_file, value));
                }
            }
            value => builder = builder.set_default(key, plain(&from_file, value))?,
        }
    }
    for (name, value) in variables {
        if let Some(property) = name.strip_prefix(KAFKA_PREFIX) {
            let property = property.to_ascii_lowercase().replace('_', ".");
            kafka.insert(property, Value::new(Some(name), ValueKind::String(value.clone())));
        } else if let Some(key) = KEYS.iter().find(|key| variable_of(key) == *name) {
            builder = builder
                .set_override(key, Value::new(Some(name), ValueKind::String(value.clone())))?;
        }
    }
    builder = builder.set_default("kafka", Value::new(None, ValueKind::Table(kafka)))?;
    builder
        .set_override_option("brokers", overrides.brokers.clone())?
        .set_override_option("group", overrides.group.clone())?
        .build()
}

// `security.protocol = ".."` without quotes is a table in a table to TOML, and one name to Kafka.
fn flat(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut properties = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                properties
                    .extend(flat(inner).into_iter().map(|(rest, v)| (format!("{name}.{rest}"), v)));
            }
            value => properties.push((name, value)),
        }
    }
    properties
}

fn plain(origin: &String, value: toml::Value) -> Value {
    let kind = match value {
        toml::Value::String(text) => ValueKind::String(text),
        toml::Value::Integer(number) => ValueKind::I64(number),
        toml::Value::Float(number) => ValueKind::Float(number),
        toml::Value::Boolean(value) => ValueKind::Boolean(value),
        other => ValueKind::String(other.to_string()),
    };
    Value::new(Some(origin), kind)
}

impl RawSettings {
    fn interpret(
        self,
        warnings: Vec<String>,
        problems: &mut Vec<StartupProblem>,
    ) -> Option<Settings> {
        let mut read = Reader(problems);
        let group = read.value(
            "group",
            GroupName::parse(&self.group),
            "name the group with `group` or EVENT_GROUP",
        );
        let backoff =
            read.value("backoff", parse_range(&self.backoff), "write a range like \"200ms..30s\"");
        let commit_interval = read.value(
            "commit_interval",
            parse_duration(&self.commit_interval),
            "write a duration like \"1s\"",
        );
        let drain =
            read.value("drain", parse_duration(&self.drain), "write a duration like \"20s\"");
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
            policy: DeliveryPolicy {
                attempts: attempts?,
                backoff: Backoff { first: first?, longest: longest? },
                max_value_bytes: max_value_bytes?,
                max_headers: max_headers?,
                max_header_bytes: max_header_bytes?,
                commit_interval: commit_interval?,
                drain_deadline: drain?,
            },
            max_in_flight_bytes: max_in_flight_bytes?,
            kafka,
            warnings,
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
