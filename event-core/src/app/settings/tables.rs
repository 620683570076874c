//! What the file says about one handler, and about one topic.

use std::collections::BTreeMap;

use super::keys::{At, Setting, Value, home, of_handlers, of_topics};
use super::lines::Lines;
use super::reader::Reader;
use super::sources::meant;
use super::{Origin, problem};
use crate::event::excerpt;
use crate::handler::HandlerOverrides;
use crate::processor::UnknownEvents;
use crate::registry::{NamedTables, StartupProblem};

/// What the file says about one topic.
#[derive(Debug, Default)]
pub(super) struct TopicOverrides {
    pub(super) unknown_events: Option<UnknownEvents>,
}

/// The tables `[handlers."id"]` and `[topic."name"]`.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) handlers: BTreeMap<String, HandlerOverrides>,
    pub(super) topics: BTreeMap<String, TopicOverrides>,
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
        let (table, keys, example): (_, Vec<_>, _) = match table {
            "handlers" => ("handlers", of_handlers().collect(), "attempts = 3"),
            _ => ("topic", of_topics().collect(), "unknown_events = \"dead_letter\""),
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
            // Also when it says nothing, so that its name is checked.
            if table == "handlers" {
                self.handlers.entry(name.clone()).or_default();
            }
            for (key, value) in values {
                let Some(setting) = keys.iter().find(|setting| setting.key == key) else {
                    let place = lines.place(&[table, &name, &key]);
                    let key = excerpt(&key, 64);
                    let message =
                        format!("{place} has an unknown key `{key}` in `{}`", named(&name));
                    let near = || meant(&key, keys.iter().map(|setting| setting.key));
                    let help = home(&key, Some(table)).unwrap_or_else(near);
                    problems.push(problem(message, help));
                    continue;
                };
                let source = lines.source(&[table, &name, &key]);
                let at = At { setting, table: Some((table, &name)), source: &source };
                match at.text_of(&value) {
                    Ok(text) => {
                        self.read(&name, Value { at, text: &text }, &mut Reader(problems));
                        let source = format!("{} in {source}", named(&name));
                        let origin = Origin { value: text, source };
                        self.origins.insert((table, name.clone(), setting.key), origin);
                    }
                    Err(wrong) => problems.push(wrong),
                }
            }
        }
    }

    fn read(&mut self, name: &str, value: Value<'_>, read: &mut Reader<'_>) {
        let name = name.to_owned();
        match (value.at.table, value.at.setting) {
            (Some(("handlers", _)), Setting { handler: Some(set), .. }) => {
                set(self.handlers.entry(name).or_default(), value, read);
            }
            (_, Setting { topic: Some(set), .. }) => {
                set(self.topics.entry(name).or_default(), value, read);
            }
            _ => {}
        }
    }
}
