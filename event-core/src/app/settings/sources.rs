//! Where settings come from, and which names they have there.

use std::ffi::OsString;
use std::path::PathBuf;

use config::{Config, Map, Value, ValueKind};

use super::keys::{At, KEYS, TABLES, home};
use super::lines::Lines;
use super::tables::Tables;
use super::{SettingsOverrides, problem};
use crate::event::excerpt;
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
            // Compose and Helm write an empty text for a variable that is not set.
            Ok(value) if value.trim().is_empty() => {}
            Ok(value) => ours.push((name.to_owned(), value)),
            Err(_) => problems.push(problem(
                format!("the variable {name} is not UTF-8"),
                "write the value as UTF-8 text",
            )),
        }
    }
    ours
}

/// What the file says: the keys with one value as texts, the table for librdkafka, and what is for
/// single handlers and topics.
#[derive(Default)]
pub(super) struct File {
    values: Vec<(&'static str, String)>,
    kafka: toml::Table,
    pub(super) tables: Tables,
    lines: Lines,
}

/// Reads `event.toml`, or the file that is `named`, and by what: it must exist.
pub(super) fn read_file(
    named: Option<(PathBuf, &str)>,
    problems: &mut Vec<StartupProblem>,
) -> File {
    let by = named.as_ref().map(|(_, by)| *by);
    let path = named.map_or_else(|| PathBuf::from("event.toml"), |(path, _)| path);
    let shown = path.display();
    let text = match (std::fs::read_to_string(&path), by) {
        (Ok(text), _) => text,
        (Err(error), None) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        (Err(error), by) => {
            let by = by.map_or_else(String::new, |by| format!(", which {by} names,"));
            problems.push(problem(
                format!("the settings file `{shown}`{by} cannot be read: {error}"),
                "name a file that is there with `--config` or EVENT_CONFIG, or none",
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
            problems.push(problem(message, "fix that line"));
            return File::default();
        }
    };
    let lines = Lines::of(shown.to_string(), &text);
    let mut file = File::default();
    for (name, value) in table {
        match (&*name, value) {
            ("kafka", toml::Value::Table(mut kafka)) => {
                // No property of librdkafka has the name of a setting. A table is the first part of one
                // that is written without quotation marks: `group.protocol`.
                kafka.retain(|key, value| {
                    let home = home(key, Some("kafka")).filter(|_| !value.is_table());
                    let Some(home) = home else { return true };
                    let message = format!(
                        "the settings file `{shown}` has an unknown key `{key}` in `[kafka]`"
                    );
                    problems.push(problem(message, home));
                    false
                });
                file.kafka = kafka;
            }
            ("kafka", _) => problems.push(problem(
                format!("{} gives `kafka` a value, it is a table", lines.place(&["kafka"])),
                "write `[kafka]` and below it `\"property\" = \"value\"`",
            )),
            (table @ ("handlers" | "topic"), value) => {
                file.tables.add((table, value), &lines, problems);
            }
            (_, value) => match KEYS.iter().find(|key| key.name == name) {
                Some(key) => {
                    let source = lines.source(&[&name]);
                    let at = At { key: key.name, table: None, source: &source };
                    match key.text_of(at, &value) {
                        Ok(text) => file.values.push((key.name, text)),
                        Err(wrong) => problems.push(wrong),
                    }
                }
                None => {
                    let place = lines.place(&[&name]);
                    let message = format!("{place} has an unknown key `{}`", excerpt(&name, 64));
                    let known = KEYS.iter().map(|key| key.name).chain(TABLES);
                    let help = home(&name, None).unwrap_or_else(|| meant(&name, known));
                    problems.push(problem(message, help));
                }
            },
        }
    }
    File { lines, ..file }
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
    file: &File,
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
    let text = |from: &String, text: &str| Value::new(Some(from), ValueKind::String(text.into()));
    for (key, value) in &file.values {
        builder = builder.set_default(key, text(&file.lines.source(&[key]), value))?;
    }
    // Property names have dots, which a path into the settings would split.
    for (path, value) in flat(&["kafka"], file.kafka.clone()) {
        let source = file.lines.source(&path.iter().map(String::as_str).collect::<Vec<_>>());
        kafka.insert(path[1..].join("."), plain(&source, value));
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
fn flat(under: &[&str], table: toml::Table) -> Vec<(Vec<String>, toml::Value)> {
    let mut properties = Vec::new();
    for (name, value) in table {
        let path = [under, &[&name]].concat();
        match value {
            toml::Value::Table(inner) => properties.extend(flat(&path, inner)),
            value => properties.push((path.into_iter().map(str::to_owned).collect(), value)),
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
