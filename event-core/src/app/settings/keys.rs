//! The keys of the settings: what each may hold, and what it is when nobody says.

use std::fmt;

use event_names::{parse_duration, parse_duration_range};

use super::problem;
use super::reader::{bounds, durations_within, is_number, ranges_within, shown};
use crate::event::excerpt;
use crate::registry::StartupProblem;

/// What may stand behind a key in the file. A variable is a text in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    /// A text with commas, or an array of texts.
    List,
}

/// A key with one value.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The value when nobody gives one; without it there is none.
    pub(super) default: Option<&'static str>,
    /// A value to show to whoever wrote a wrong one.
    pub(super) example: &'static str,
    /// What holds without a value.
    pub(super) absent: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { name, kind, default: Some(default), example: default, absent: "none" }
}

const fn unset(name: &'static str, kind: Kind, example: &'static str) -> Key {
    Key { name, kind, default: None, example, absent: "none" }
}

impl Key {
    const fn or(self, absent: &'static str) -> Self {
        Key { absent, ..self }
    }
}

/// The keys with one value. Each is a variable too: `EVENT_` and the key in capitals.
pub(super) const KEYS: &[Key] = &[
    key("brokers", Kind::List, "localhost:9092"),
    // The service's name.
    unset("group", Kind::Text, "admin"),
    unset("group_instance_id", Kind::Text, "admin-1"),
    key("max_members", Kind::Number, "16"),
    unset("topics", Kind::List, "role_events").or("all that have a handler"),
    key("create_topics", Kind::Flag, "false"),
    key("unknown_events", Kind::Text, "skip"),
    key("out_of_range", Kind::Text, "earliest"),
    key("attempts", Kind::Number, "5"),
    key("backoff", Kind::Text, "200ms..30s"),
    key("jitter", Kind::Text, "equal"),
    unset("timeout", Kind::Text, "10s"),
    key("breaker_failures", Kind::Number, "20"),
    key("breaker_pause", Kind::Text, "5s..1m"),
    key("max_concurrency", Kind::Number, "1000"),
    key("naive_times", Kind::Text, "ignore"),
    key("lone_surrogates", Kind::Text, "handle"),
    key("max_value_bytes", Kind::Number, "1048576"),
    key("max_headers", Kind::Number, "1000"),
    key("max_header_bytes", Kind::Number, "262144"),
    key("max_in_flight_bytes", Kind::Number, "67108864"),
    key("commit_interval", Kind::Text, "1s"),
    key("commit_records", Kind::Number, "100000"),
    key("max_metadata_bytes", Kind::Number, "4096"),
    key("drain", Kind::Text, "20s"),
    unset("admin_port", Kind::Number, "9090").or("off"),
    key("admin_address", Kind::Text, "127.0.0.1"),
    key("liveness_after", Kind::Text, "5m"),
];

/// The tables of the file.
pub(super) const TABLES: [&str; 3] = ["kafka", "handlers", "topic"];

/// The keys of `[handlers."id"]`.
pub(super) const HANDLER_KEYS: &[Key] = &[
    key("attempts", Kind::Number, "5"),
    key("backoff", Kind::Text, "200ms..30s"),
    key("jitter", Kind::Text, "equal"),
    unset("timeout", Kind::Text, "10s"),
    unset("concurrency", Kind::Number, "16"),
    key("breaker_failures", Kind::Number, "20"),
    key("breaker_pause", Kind::Text, "5s..1m"),
];

/// The keys of `[topic."name"]`.
pub(super) const TOPIC_KEYS: &[Key] = &[key("unknown_events", Kind::Text, "skip")];

// What the attribute of a handler says, and no table.
const SAID_BY_ATTRIBUTE: [(&str, &str); 5] = [
    ("group", "group = \"audit\""),
    ("order", "order = key"),
    ("dead_letter", "dead_letter = \"role_events_dlq\""),
    ("batch", "batch(max = 500)"),
    ("retry", "retry(attempts = 5)"),
];

/// Where `key` belongs that stands in `table`, or above all tables, and is not known there.
pub(super) fn home(key: &str, table: Option<&str>) -> Option<String> {
    let is_in = |keys: &[Key]| keys.iter().any(|known| known.name == key);
    let mut homes = Vec::new();
    if table.is_some() && is_in(KEYS) {
        homes.push("above all tables, for the whole service".to_owned());
    }
    if table != Some("handlers") && is_in(HANDLER_KEYS) {
        homes.push("in `[handlers.\"..\"]`, for one handler".to_owned());
    }
    if table != Some("topic") && table.is_some() && is_in(TOPIC_KEYS) {
        homes.push("in `[topic.\"..\"]`, for one topic".to_owned());
    }
    let said = SAID_BY_ATTRIBUTE.iter().find(|(said, _)| *said == key);
    if let Some((_, example)) = said.filter(|_| table == Some("handlers")) {
        homes.push(format!("in the attribute, for one handler: `#[event_handler({example}, ..)]`"));
    }
    (!homes.is_empty()).then(|| format!("`{key}` stands {}", homes.join("; or ")))
}

/// Where a value stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) key: &'a str,
    /// The table and the name in it.
    pub(super) table: Option<(&'a str, &'a str)>,
    /// What gave the value: a variable, a file with its line, a flag, or `default`.
    pub(super) source: &'a str,
}

/// A value, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) at: At<'a>,
    pub(super) text: &'a str,
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting `{}`", self.key)?;
        if let Some((table, name)) = self.table {
            write!(f, " of `[{table}.\"{}\"]`", excerpt(name, 64))?;
        }
        match self.source {
            "default" => Ok(()),
            source => write!(f, " (from {source})"),
        }
    }
}

impl Key {
    /// The value that stands at `at` in the file as text, or that it is of another kind.
    pub(super) fn text_of(
        &self,
        at: At<'_>,
        value: &toml::Value,
    ) -> Result<String, StartupProblem> {
        match (self.kind, value) {
            (Kind::Text | Kind::List, toml::Value::String(text)) => Ok(text.clone()),
            (Kind::Number, toml::Value::Integer(number)) => Ok(number.to_string()),
            (Kind::Flag, toml::Value::Boolean(flag)) => Ok(flag.to_string()),
            (Kind::List, toml::Value::Array(items)) => {
                match items.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>() {
                    Some(texts) => Ok(texts.join(",")),
                    None => Err(self.wrong_kind(at, "an array of something else".to_owned(), &[])),
                }
            }
            (_, value) => {
                let meant = self.meant(value);
                Err(self.wrong_kind(at, kind_of(value), &meant))
            }
        }
    }

    // What a value of another kind can mean, the likelier first.
    fn meant(&self, value: &toml::Value) -> Vec<String> {
        let meant = match (self.kind, value) {
            (Kind::Text, toml::Value::Integer(number)) => {
                let (number, example) = (number.to_string(), self.example);
                match (parse_duration(example), parse_duration_range(example)) {
                    (Ok(_), _) => durations_within(bounds(self.name), &number, example),
                    (_, Ok(_)) => ranges_within(bounds(self.name), &number, example),
                    _ => Vec::new(),
                }
            }
            (Kind::Number, toml::Value::String(text)) if is_number(text) => vec![text.clone()],
            (Kind::Flag, toml::Value::String(text)) => match text.as_str() {
                "true" | "yes" | "on" => vec!["true".to_owned()],
                "false" | "no" | "off" => vec!["false".to_owned()],
                _ => Vec::new(),
            },
            (Kind::Flag, toml::Value::Integer(1)) => vec!["true".to_owned()],
            (Kind::Flag, toml::Value::Integer(0)) => vec!["false".to_owned()],
            _ => Vec::new(),
        };
        let written = |value: String| match self.kind {
            Kind::Text | Kind::List => format!("`{} = \"{value}\"`", self.name),
            Kind::Number | Kind::Flag => format!("`{} = {value}`", self.name),
        };
        meant.into_iter().map(written).collect()
    }

    // Without what was `meant` the example is what to write.
    fn wrong_kind(&self, at: At<'_>, found: String, meant: &[String]) -> StartupProblem {
        let expected = match self.kind {
            Kind::Text => "a text",
            Kind::Number => "an integer",
            Kind::Flag => "`true` or `false`",
            Kind::List => "a text or an array of texts",
        };
        let mut help = match (meant, self.kind) {
            ([_, ..], _) => format!("write {}", meant.join(" or ")),
            (_, Kind::Text | Kind::List) => {
                format!("write a value like `{} = \"{}\"`", self.name, self.example)
            }
            (_, Kind::Number | Kind::Flag) => {
                format!("write a value like `{} = {}`", self.name, self.example)
            }
        };
        if self.name == "topics" {
            help.push_str("; what holds for one topic stands in `[topic.\"role_events\"]`");
        }
        problem(format!("{at} is {found}, it must be {expected}"), help)
    }
}

// What is written for a flag, and is no secret.
const FLAG_WORDS: [&str; 6] = ["true", "false", "yes", "no", "on", "off"];

fn kind_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) if is_number(text) || FLAG_WORDS.contains(&&**text) => {
            format!("the text `{}`", excerpt(text, 64))
        }
        toml::Value::String(text) => shown(text, false),
        toml::Value::Array(_) => "an array".to_owned(),
        toml::Value::Table(_) => "a table".to_owned(),
        toml::Value::Datetime(_) => "a date".to_owned(),
        value => format!("`{value}`"),
    }
}
