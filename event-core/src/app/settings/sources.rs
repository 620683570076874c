//! Where settings come from, and which names they have there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{Config, Map, Value, ValueKind};

use super::keys::{At, KEYS, TABLES, home};
use super::tables::Tables;
use super::{SettingsOverrides, problem};
use crate::registry::StartupProblem;

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

/// What the file says: the keys with one value as texts, the table for librdkafka, and what is for
/// single handlers and topics.
#[derive(Default)]
pub(super) struct File {
    values: Vec<(&'static str, String)>,
    kafka: toml::Table,
    pub(super) tables: Tables,
}

pub(super) fn read_file(path: Option<&PathBuf>, problems: &mut Vec<StartupProblem>) -> File {
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
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            // Only the reason: the lines that the full message quotes may hold a secret.
            let at = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            let message =
                format!("the settings file `{shown}` is not TOML, line {at}: {}", error.message());
            problems.push(problem(message, "mend that line"));
            return File::default();
        }
    };
    let shown = shown.to_string();
    let mut file = File::default();
    for (name, value) in table {
        match (&*name, value) {
            ("kafka", toml::Value::Table(mut kafka)) => {
                // No property of librdkafka has the name of a setting.
                kafka.retain(|key, _| {
                    let Some(home) = home(key, Some("kafka")) else { return true };
                    let message = format!(
                        "the settings file `{shown}` has an unknown key `{key}` in `[kafka]`"
                    );
                    problems.push(problem(message, home));
                    false
                });
                file.kafka = kafka;
            }
            ("kafka", _) => problems.push(problem(
                format!("the settings file `{shown}` gives `kafka` a value, it is a table"),
                "write `[kafka]` and below it `\"property\" = \"value\"`",
            )),
            (table @ ("handlers" | "topic"), value) => {
                file.tables.add((table, value), &shown, problems);
            }
            (_, value) => match KEYS.iter().find(|key| key.name == name) {
                Some(key) => match key.text_of(At { key: key.name, table: None }, &value) {
                    Ok(text) => file.values.push((key.name, text)),
                    Err(wrong) => problems.push(wrong),
                },
                None => {
                    let message =
                        format!("the settings file `{shown}` has an unknown key `{name}`");
                    let known = KEYS.iter().map(|key| key.name).chain(TABLES);
                    let help = home(&name, None).unwrap_or_else(|| meant(&name, known));
                    problems.push(problem(message, help));
                }
            },
        }
    }
    file
}

/// `did you mean ..?`, or what there is.
pub(super) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some((near, distance)) if distance <= name.len() / 2 => format!("did you mean `{near}`?"),
        _ => format!("the keys are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The name that is most like this one, and how many letters they are apart.
pub(super) fn nearest<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Option<(&'a str, usize)> {
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
        .map(|key| variable_of(key.name))
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
    (path, file): (&Path, &File),
    variables: &[(String, String)],
    overrides: &SettingsOverrides,
) -> Result<Config, config::ConfigError> {
    let mut builder = Config::builder().set_default("group", service)?;
    for key in KEYS {
        if let Some(default) = key.default {
            builder = builder.set_default(key.name, default)?;
        }
    }
    let mut kafka = Map::new();
    let from_file = path.display().to_string();
    let text = |from: &String, text: &str| Value::new(Some(from), ValueKind::String(text.into()));
    for (key, value) in &file.values {
        builder = builder.set_default(key, text(&from_file, value))?;
    }
    // Property names have dots, which a path into the settings would split.
    for (name, value) in flat(file.kafka.clone()) {
        kafka.insert(name, plain(&from_file, value));
    }
    for (name, value) in variables {
        if let Some(property) = name.strip_prefix(KAFKA_PREFIX) {
            let property = property.to_ascii_lowercase().replace('_', ".");
            kafka.insert(property, text(name, value));
        } else if let Some(key) = KEYS.iter().find(|key| variable_of(key.name) == *name) {
            builder = builder.set_override(key.name, text(name, value))?;
        }
    }
    builder = builder.set_default("kafka", Value::new(None, ValueKind::Table(kafka)))?;
    let flag = |name: &str, value: &Option<String>| {
        let name = name.to_owned();
        value.as_ref().map(|value| text(&name, value))
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
        // Properties that are lists are texts with commas.
        toml::Value::Array(items) => {
            let items = items.into_iter().map(|item| plain(origin, item).to_string());
            ValueKind::String(items.collect::<Vec<_>>().join(","))
        }
        other => ValueKind::String(other.to_string()),
    };
    Value::new(Some(origin), kind)
}
