//! What the file says about one handler, and about one topic.

use std::collections::BTreeMap;

use super::keys::{At, HANDLER_KEYS, Key, TOPIC_KEYS, Value, home};
use super::lines::Lines;
use super::reader::{BACKOFF, BREAKER_PAUSE, Reader, TIMEOUT};
use super::sources::meant;
use super::{Origin, problem};
use crate::event::excerpt;
use crate::handler::HandlerOverrides;
use crate::processor::UnknownEvents;
use crate::registry::{NamedTables, StartupProblem};

/// The tables `[handlers."id"]` and `[topic."name"]`.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) handlers: BTreeMap<String, HandlerOverrides>,
    pub(super) unknown_events_of: BTreeMap<String, UnknownEvents>,
    /// By table, name and key.
    pub(super) origins: BTreeMap<(&'static str, String, &'static str), Origin>,
    /// Where each table begins, by table and name.
    pub(super) sources: NamedTables,
}

impl Tables {
    /// Reads one of the two tables.
    pub(super) fn add(
        &mut self,
        (table, value): (&str, toml::Value),
        lines: &Lines,
        problems: &mut Vec<StartupProblem>,
    ) {
        let (table, keys, example) = match table {
            "handlers" => ("handlers", HANDLER_KEYS, "attempts = 3"),
            _ => ("topic", TOPIC_KEYS, "unknown_events = \"dead_letter\""),
        };
        let named = |name: &str| format!("[{table}.\"{}\"]", excerpt(name, 64));
        let no_table = |path: &[&str], of: String, name: &str| {
            problem(
                format!("{} gives {of} a value, it is a table", lines.place(path)),
                format!("write `{}` and below it `{example}`", named(name)),
            )
        };
        let toml::Value::Table(entries) = value else {
            problems.push(no_table(&[table], format!("`{table}`"), ".."));
            return;
        };
        for (name, values) in entries {
            let toml::Value::Table(values) = values else {
                let of = format!("`{}` in `[{table}]`", excerpt(&name, 64));
                problems.push(no_table(&[table, &name], of, &name));
                continue;
            };
            self.sources.insert((table, name.clone()), lines.source(&[table, &name]));
            if table == "handlers" {
                // Also when it says nothing, so that its name is judged.
                self.handlers.entry(name.clone()).or_default();
            }
            for (key, value) in values {
                let Some(known) = keys.iter().find(|known| known.name == key) else {
                    let place = lines.place(&[table, &name, &key]);
                    let key = excerpt(&key, 64);
                    let message =
                        format!("{place} has an unknown key `{key}` in `{}`", named(&name));
                    let near = || meant(&key, keys.iter().map(|key| key.name));
                    let help = home(&key, Some(table)).unwrap_or_else(near);
                    problems.push(problem(message, help));
                    continue;
                };
                let source = lines.source(&[table, &name, &key]);
                let at = At { key: known.name, table: Some((table, &name)), source: &source };
                match known.text_of(at, &value) {
                    Ok(text) => {
                        let source = format!("{} in {source}", named(&name));
                        let origin = Origin { value: text.clone(), source };
                        self.origins.insert((table, name.clone(), known.name), origin);
                        self.read(known, &name, Value { at, text: &text }, &mut Reader(problems));
                    }
                    Err(wrong) => problems.push(wrong),
                }
            }
        }
    }

    fn read(&mut self, key: &Key, name: &str, value: Value<'_>, read: &mut Reader<'_>) {
        if key.name == "unknown_events" {
            if let Some(unknown_events) = read.unknown_events(value) {
                self.unknown_events_of.insert(name.to_owned(), unknown_events);
            }
            return;
        }
        let handler = self.handlers.entry(name.to_owned()).or_default();
        match key.name {
            "attempts" => handler.attempts = read.number(value, 1),
            "backoff" => handler.backoff = read.range(value, BACKOFF, key.example),
            "jitter" => handler.jitter = read.jitter(value),
            "timeout" => handler.timeout = read.duration(value, TIMEOUT, key.example),
            "concurrency" => handler.concurrency = read.number(value, 1),
            "breaker_failures" => handler.breaker_failures = read.number(value, 0),
            _ => handler.breaker_pause = read.range(value, BREAKER_PAUSE, key.example),
        }
    }
}
