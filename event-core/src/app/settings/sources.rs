//! Where settings come from, and which names they have there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{Config, Map, Value, ValueKind};

use super::{SettingsOverrides, problem};
use crate::processor::DeliveryPolicy;
use crate::registry::StartupProblem;

pub(super) const KEYS: [&str; 15] = [
    "brokers",
    "group",
    "topics",
    "attempts",
    "backoff",
    "max_value_bytes",
    "max_headers",
    "max_header_bytes",
    "max_in_flight_bytes",
    "commit_interval",
    "drain",
    "admin_port",
    "admin_address",
    "liveness_after",
    "kafka",
];

// Variables that are ours but no settings.
const OTHER_VARIABLES: [&str; 2] = ["EVENT_CONFIG", "EVENT_LOG"];

const KAFKA_PREFIX: &str = "EVENT_KAFKA_";

// A misspelt variable that is this close to one of ours is an error, not a stranger's.
const NEAR: usize = 2;

pub(super) fn our_variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<StartupProblem>,
) -> Vec<(String, String)> {
    // The order of the environment is nobody's, and that of the report is fixed.
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort();
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

/// The settings file: `event.toml`, unless another is named.
pub(super) fn file_path(named: Option<&PathBuf>) -> PathBuf {
    named.cloned().unwrap_or_else(|| PathBuf::from("event.toml"))
}

pub(super) fn read_file(path: Option<&PathBuf>, problems: &mut Vec<StartupProblem>) -> toml::Table {
    let required = path.is_some();
    let path = file_path(path);
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

pub(super) fn check_variables(
    variables: &[(String, String)],
    warnings: &mut Vec<StartupProblem>,
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
            _ => warnings.push(StartupProblem::IgnoredVariable { name: name.clone() }),
        }
    }
}

pub(super) fn merge(
    service: &str,
    (path, file): (&Path, toml::Table),
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
        .set_default("drain", "20s")?
        .set_default("admin_address", "127.0.0.1")?
        .set_default("liveness_after", "5m")?;
    let mut kafka = Map::new();
    let from_file = path.display().to_string();
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
    let flag = |name: &str, value: &Option<String>| {
        let name = name.to_owned();
        value.clone().map(|value| Value::new(Some(&name), ValueKind::String(value)))
    };
    builder
        .set_override_option("brokers", flag("--brokers", &overrides.brokers))?
        .set_override_option("group", flag("--group", &overrides.group))?
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
        // The one setting that is a list may also be written as a text with commas.
        toml::Value::Array(items) => {
            let items = items.into_iter().map(|item| plain(origin, item).to_string());
            ValueKind::String(items.collect::<Vec<_>>().join(","))
        }
        other => ValueKind::String(other.to_string()),
    };
    Value::new(Some(origin), kind)
}
