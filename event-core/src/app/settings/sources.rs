//! Where settings come from, and which names they have there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::keys::{At, Setting, TABLES, home, of_handlers, of_service};
use super::lines::Lines;
use super::reader::shown;
use super::tables::Tables;
use super::{Origin, SettingsOverrides, problem};
#[cfg(feature = "kafka")]
use crate::broker::kafka::{property_like, refused_property};
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
    values: Vec<(&'static str, Origin)>,
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
    let shown = shown_path(&path);
    let text = match (std::fs::read_to_string(&path), by) {
        (Ok(text), _) => text,
        (Err(error), None) if error.kind() == ErrorKind::NotFound => String::new(),
        (Err(error), by) => {
            let by = by.map_or_else(String::new, |by| format!(", which {by} names,"));
            problems.push(problem(
                format!("the settings file {shown}{by} cannot be read: {error}"),
                match error.kind() {
                    ErrorKind::InvalidData => "write it as UTF-8",
                    _ => "name a file that is there with `--config` or EVENT_CONFIG, or none",
                },
            ));
            String::new()
        }
    };
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            // Only the reason: the lines that the full message quotes may hold a secret.
            let span = error.span().unwrap_or_default();
            let at = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
            let mut reason = error.message().to_owned();
            if let Some(key) = text.get(span).filter(|_| reason == "duplicate key") {
                reason = format!("the key `{}` is there twice", excerpt(key.trim(), 64));
            }
            let message = format!("the settings file {shown} is not TOML, line {at}: {reason}");
            problems.push(problem(message, "fix that line"));
            return File::default();
        }
    };
    let lines = Lines::of(path.display().to_string(), &text);
    let mut file = File::default();
    for (name, value) in table {
        match (&*name, value) {
            ("kafka", toml::Value::Table(mut kafka)) => {
                // No property of librdkafka has the name of a setting. A table is the first part of one
                // that is written without quotation marks: `group.protocol`.
                kafka.retain(|key, value| {
                    let home = home(key, Some("kafka")).filter(|_| !value.is_table());
                    let Some(home) = home else { return true };
                    let place = lines.place(&["kafka", key]);
                    let message = format!("{place} has an unknown key `{key}` in `[kafka]`");
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
            (_, value) => match of_service().find(|setting| setting.key == name) {
                Some(setting) => {
                    let source = lines.source(&[&name]);
                    match (At { setting, table: None, source: &source }).text_of(&value) {
                        Ok(value) => file.values.push((setting.key, Origin { value, source })),
                        Err(wrong) => problems.push(wrong),
                    }
                }
                None => {
                    let place = lines.place(&[&name]);
                    let message = format!("{place} has an unknown key `{}`", excerpt(&name, 64));
                    let known = of_service().map(|setting| setting.key).chain(TABLES);
                    let help = elsewhere(&name, &value).unwrap_or_else(|| meant(&name, known));
                    problems.push(problem(message, help));
                }
            },
        }
    }
    File { lines, ..file }
}

/// The path of a settings file. One that looks like none may be a password in the wrong variable.
fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/\\:".contains(c);
    let is_file = path.extension().is_some_and(|extension| extension == "toml");
    shown(&text, path.exists() || is_file && text.chars().all(is_plain))
}

/// Where a key belongs that is not known above all tables.
fn elsewhere(name: &str, value: &toml::Value) -> Option<String> {
    if let Some(home) = home(name, None) {
        return Some(home);
    }
    if matches!(name, "log" | "log_level" | "log_filter") {
        return Some("the filter of the log is the variable EVENT_LOG".to_owned());
    }
    if let Some(help) = of_librdkafka(name) {
        return Some(help);
    }
    let (_, distance) = nearest(name, of_service().map(|setting| setting.key).chain(TABLES))?;
    let of_handler = nearest(name, of_handlers().map(|setting| setting.key));
    if let Some((near, _)) = of_handler.filter(|(_, nearer)| *nearer < distance && *nearer <= 2) {
        return home(near, None);
    }
    // Without quotation marks it is a table to TOML: `linger.ms = 5`.
    let property = match value {
        toml::Value::Table(inner) if distance > 2 => inner
            .iter()
            .find(|(_, value)| !value.is_table())
            .map(|(key, _)| format!("{name}.{key}")),
        _ => name.contains('.').then(|| name.to_owned()),
    };
    let property = excerpt(&property?, 64);
    Some(format!("if `{property}` is a property of librdkafka, it stands in `[kafka]`"))
}

/// Where a key belongs that is a property of librdkafka but for its dots and its unit. The end of it may be a
/// key of our own: `retry_backoff`.
#[cfg(feature = "kafka")]
fn of_librdkafka(name: &str) -> Option<String> {
    // `max_in_flight` is the beginning of a setting, and a property too.
    let begins_setting = of_service().any(|setting| setting.key.starts_with(name));
    let property = property_like(name).filter(|_| !begins_setting)?;
    let of_property = match refused_property(property) {
        Some(reason) => format!("`{property}` of librdkafka cannot be set: {reason}"),
        None => {
            let variable = kafka_variable(property);
            format!("`{property}` of librdkafka stands in `[kafka]`, or in {variable}")
        }
    };
    Some(match at_end(name) {
        Some(setting) => format!("did you mean `{}`? {of_property}", setting.key),
        None => of_property,
    })
}

#[cfg(not(feature = "kafka"))]
fn of_librdkafka(_: &str) -> Option<String> {
    None
}

#[cfg(feature = "kafka")]
fn kafka_variable(property: &str) -> String {
    format!("{KAFKA_PREFIX}{}", property.to_ascii_uppercase().replace('.', "_"))
}

/// The setting of the service whose key is the end of `name`, perhaps before a unit.
#[cfg(feature = "kafka")]
fn at_end(name: &str) -> Option<&'static Setting> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let name = name.strip_suffix("_ms").unwrap_or(&name);
    of_service()
        .find(|setting| name.strip_suffix(setting.key).is_some_and(|rest| rest.ends_with('_')))
}

/// What was meant by a variable that is a property of librdkafka without its `KAFKA_`, and whether it can mean
/// nothing else.
#[cfg(feature = "kafka")]
fn meant_variable(name: &str) -> Option<(String, bool)> {
    let key = name.strip_prefix("EVENT_")?;
    let property = property_like(key).filter(|known| refused_property(known).is_none())?;
    let of_property = format!("write {} for the property of librdkafka", kafka_variable(property));
    Some(match at_end(key).and_then(Setting::variable) {
        Some(variable) => (format!("did you mean {variable}? Or {of_property}"), false),
        None => (of_property, true),
    })
}

#[cfg(not(feature = "kafka"))]
fn meant_variable(_: &str) -> Option<(String, bool)> {
    None
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

pub(super) fn check_variables(
    variables: &[(String, String)],
    warnings: &mut Vec<StartupProblem>,
    problems: &mut Vec<StartupProblem>,
) {
    let ours = of_service().filter_map(Setting::variable);
    let known: Vec<String> = ours.chain(OTHER_VARIABLES.map(str::to_owned)).collect();
    for (name, _) in variables {
        if known.contains(name) || name.starts_with(KAFKA_PREFIX) {
            continue;
        }
        match nearest(name, known.iter().map(String::as_str)) {
            Some((near, distance)) if distance <= NEAR => problems.push(problem(
                format!("the variable {name} is not a setting"),
                format!("did you mean {near}?"),
            )),
            _ => match meant_variable(name) {
                Some((meant, true)) => {
                    problems.push(problem(format!("the variable {name} is not a setting"), meant));
                }
                // It may be another program's.
                Some((meant, false)) => {
                    let message = format!("the variable {name} is not a setting and was ignored");
                    warnings.push(problem(message, meant));
                }
                None => warnings.push(StartupProblem::IgnoredVariable { name: name.clone() }),
            },
        }
    }
}

/// The value that the strongest of all sources gives: a flag, a variable, the file, the default.
pub(super) fn given(
    setting: &Setting,
    service: &str,
    file: &File,
    variables: &[(String, String)],
    overrides: &SettingsOverrides,
) -> Option<Origin> {
    let origin = |source: &str, value: &str| Origin { value: value.into(), source: source.into() };
    if let Some((flag, value)) = overrides.of(setting.key) {
        return Some(origin(flag, value));
    }
    let variable = setting.variable();
    let variable = variables.iter().find(|(name, _)| Some(name) == variable.as_ref());
    if let Some((name, value)) = variable {
        return Some(origin(name, value));
    }
    if let Some((_, given)) = file.values.iter().find(|(key, _)| *key == setting.key) {
        return Some(given.clone());
    }
    let default = if setting.key == "group" { Some(service) } else { setting.default };
    default.map(|value| origin("default", value))
}

/// The properties of librdkafka; a variable goes before the file.
pub(super) fn kafka(file: &File, variables: &[(String, String)]) -> BTreeMap<String, Origin> {
    // Property names have dots.
    let of_file = flat(&["kafka"], file.kafka.clone()).into_iter().map(|(path, value)| {
        let source = file.lines.source(&path.iter().map(String::as_str).collect::<Vec<_>>());
        (path[1..].join("."), Origin { value: property(value), source })
    });
    let of_variables = variables.iter().filter_map(|(name, value)| {
        let property = name.strip_prefix(KAFKA_PREFIX)?.to_ascii_lowercase().replace('_', ".");
        Some((property, Origin { value: value.clone(), source: name.clone() }))
    });
    of_file.chain(of_variables).collect()
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

fn property(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Float(number) => number.to_string(),
        // Properties that are lists are texts with commas.
        toml::Value::Array(items) => items.into_iter().map(property).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
