//! What is known of one setting, and where a value of it stands.

use std::fmt;
use std::time::Duration;

use event_names::delivery::{DELIVERY_KEYS, DeliveryKey, Takes, Unless};
use event_names::{parse_duration, parse_duration_range};

use super::reader::{Reader, SettingType, durations_within, is_number, ranges_within, shown};
use super::table::SETTINGS;
use super::tables::TopicOverrides;
use super::{Settings, problem};
use crate::event::excerpt;
use crate::handler::HandlerOverrides;
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

/// What is known of a setting.
pub(super) struct Setting {
    pub(super) key: &'static str,
    /// What it says, for the page that a test makes.
    #[cfg_attr(not(test), expect(dead_code, reason = "documentation"))]
    pub(super) doc: &'static str,
    pub(super) kind: Kind,
    /// The smallest number that is taken.
    pub(super) least: u64,
    /// The shortest and the longest duration that is taken.
    pub(super) times: (Duration, Duration),
    /// The value when nobody gives one; without it there is none.
    pub(super) default: Option<&'static str>,
    pub(super) example: &'static str,
    /// What holds without a value.
    pub(super) absent: &'static str,
    /// What its type takes, and its words when it takes nothing else, for the same page.
    #[cfg_attr(not(test), expect(dead_code, reason = "documentation"))]
    pub(super) takes: (&'static str, &'static [&'static str]),
    /// What a value sets for the whole service.
    pub(super) service: Option<Setter<Settings>>,
    /// The same for one handler: `[handlers."id"]`.
    pub(super) handler: Option<Setter<HandlerOverrides>>,
    /// The same for one topic: `[topic."name"]`.
    pub(super) topic: Option<Setter<TopicOverrides>>,
}

/// Reads a value and sets it, or notes what is wrong with it.
pub(super) type Setter<To> = fn(&mut To, Value<'_>, &mut Reader<'_>);

/// Reads a value of the type `T` for `set`.
pub(super) fn apply<To, T: SettingType>(
    set: fn(&mut To, T),
    to: &mut To,
    value: Value<'_>,
    read: &mut Reader<'_>,
) {
    // Lists say themselves what is wrong with an item.
    if T::KIND != Kind::List
        && let Some(quoted) = value.at.in_quotes(value.text)
    {
        read.0.push(quoted);
    } else if let Some(value) = T::read(value, read) {
        set(to, value);
    }
}

impl Setting {
    pub(super) const fn new<T: SettingType>(key: &'static str, doc: &'static str) -> Self {
        Setting {
            key,
            doc: doc.trim_ascii(),
            kind: T::KIND,
            least: 0,
            times: (Duration::ZERO, Duration::MAX),
            default: None,
            example: "",
            absent: "none",
            takes: (T::TAKES, T::WORDS),
            service: None,
            handler: None,
            topic: None,
        }
    }

    /// The value when nobody gives one.
    pub(super) const fn default(self, value: &'static str) -> Self {
        Setting { default: Some(value), example: value, ..self }
    }

    /// Without a default: a value to show to whoever wrote a wrong one.
    pub(super) const fn like(self, example: &'static str) -> Self {
        Setting { example, ..self }
    }

    /// What holds without a value.
    pub(super) const fn absent(self, absent: &'static str) -> Self {
        Setting { absent, ..self }
    }

    /// The smallest number that is taken.
    pub(super) const fn from(self, least: u64) -> Self {
        Setting { least, ..self }
    }

    /// The shortest and the longest duration that is taken.
    pub(super) const fn within(self, least: Duration, most: Duration) -> Self {
        Setting { times: (least, most), ..self }
    }

    /// Takes meaning, limits and example from a key of the attribute.
    pub(super) const fn of(self, key: &DeliveryKey) -> Self {
        let setting = match key.takes {
            Takes::Number(least, _) => self.from(least as u64),
            Takes::Duration(least, most) | Takes::Range(least, most) => {
                self.within(Duration::from_millis(least), Duration::from_millis(most))
            }
            _ => self,
        };
        let absent = match key.unless_given {
            Unless::Handler(default) => default,
            Unless::Setting | Unless::Is(_) => setting.absent,
        };
        let example = if setting.example.is_empty() { key.example } else { setting.example };
        Setting { doc: key.doc, absent, example, ..setting }
    }

    /// A value to show to whoever wrote a wrong one.
    pub(super) fn example(&self) -> &'static str {
        self.example.trim_matches('"')
    }

    /// `EVENT_` and the key in capitals; none for what only a handler or a topic has.
    pub(super) fn variable(&self) -> Option<String> {
        self.service.map(|_| format!("EVENT_{}", self.key.to_ascii_uppercase()))
    }
}

/// The settings of the whole service.
pub(super) fn of_service() -> impl Iterator<Item = &'static Setting> + Clone {
    SETTINGS.iter().filter(|setting| setting.service.is_some())
}

/// The keys of `[handlers."id"]`.
pub(super) fn of_handlers() -> impl Iterator<Item = &'static Setting> + Clone {
    SETTINGS.iter().filter(|setting| setting.handler.is_some())
}

/// The keys of `[topic."name"]`.
pub(super) fn of_topics() -> impl Iterator<Item = &'static Setting> + Clone {
    SETTINGS.iter().filter(|setting| setting.topic.is_some())
}

/// The tables of the file.
pub(super) const TABLES: [&str; 3] = ["kafka", "handlers", "topic"];

/// Where `key` belongs that stands in `table`, or above all tables, and is not known there.
pub(super) fn home(key: &str, table: Option<&str>) -> Option<String> {
    let setting = SETTINGS.iter().find(|setting| setting.key == key);
    let is_for = |place: fn(&Setting) -> bool| setting.is_some_and(place);
    let mut homes = Vec::new();
    if table.is_some() && is_for(|setting| setting.service.is_some()) {
        homes.push("above all tables, for the whole service".to_owned());
    }
    if table != Some("handlers") && is_for(|setting| setting.handler.is_some()) {
        homes.push("in `[handlers.\"..\"]`, for one handler".to_owned());
    }
    if table != Some("topic") && table.is_some() && is_for(|setting| setting.topic.is_some()) {
        homes.push("in `[topic.\"..\"]`, for one topic".to_owned());
    }
    if let Some(written) = in_attribute(key).filter(|_| matches!(table, None | Some("handlers"))) {
        homes.push(format!("in the attribute, for one handler: `#[event_handler({written}, ..)]`"));
    }
    (!homes.is_empty()).then(|| format!("`{key}` stands {}", homes.join("; or ")))
}

// How the attribute says what no table does.
fn in_attribute(key: &str) -> Option<String> {
    let is_said = |known: &&&DeliveryKey| {
        !known.is_setting() && !key.is_empty() && [known.list, known.key, known.name].contains(&key)
    };
    match DELIVERY_KEYS.iter().find(is_said) {
        // The first in the list of this name.
        Some(said) if said.list == key => DELIVERY_KEYS.iter().find(|known| known.list == key),
        said => said,
    }
    .map(|key| key.written())
    .or_else(|| (key == "dead_letter").then(|| "dead_letter = \"role_events_dlq\"".to_owned()))
}

/// Where a value stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) setting: &'a Setting,
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
        write!(f, "setting `{}`", self.setting.key)?;
        if let Some((table, name)) = self.table {
            write!(f, " of `[{table}.\"{}\"]`", excerpt(name, 64))?;
        }
        match self.source {
            "default" => Ok(()),
            source => write!(f, " (from {source})"),
        }
    }
}

impl At<'_> {
    /// How a text is written here: a variable has it without quotation marks.
    pub(super) fn as_text(self, text: &str) -> String {
        if self.is_variable() { format!("`{text}`") } else { format!("`\"{text}\"`") }
    }

    fn is_variable(self) -> bool {
        self.source.starts_with("EVENT_")
    }

    /// That a variable has quotation marks around its value, as `docker --env-file` leaves them.
    fn in_quotes(self, text: &str) -> Option<StartupProblem> {
        let quoted = ['"', '\'']
            .into_iter()
            .any(|quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote));
        (quoted && self.is_variable()).then(|| {
            problem(format!("{self} has quotation marks around its value"), "write it without them")
        })
    }

    /// The `value` that stands here in the file as text, or that it is of another kind.
    pub(super) fn text_of(self, value: &toml::Value) -> Result<String, StartupProblem> {
        match (self.setting.kind, value) {
            (Kind::Text | Kind::List, toml::Value::String(text)) => Ok(text.clone()),
            (Kind::Number, toml::Value::Integer(number)) => Ok(number.to_string()),
            (Kind::Flag, toml::Value::Boolean(flag)) => Ok(flag.to_string()),
            (Kind::List, toml::Value::Array(items)) => {
                match items.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>() {
                    Some(texts) => Ok(texts.join(",")),
                    None => Err(self.wrong_kind("an array of something else", &[])),
                }
            }
            (_, value) => Err(self.wrong_kind(&kind_of(value), &self.setting.meant(value))),
        }
    }

    // Without what was `meant` the example is what to write.
    fn wrong_kind(self, found: &str, meant: &[String]) -> StartupProblem {
        let setting = self.setting;
        let expected = match setting.kind {
            Kind::Text => "a text",
            Kind::Number => "an integer",
            Kind::Flag => "`true` or `false`",
            Kind::List => "a text or an array of texts",
        };
        let mut help = match meant {
            [] => format!("write a value like {}", setting.written(setting.example())),
            meant => format!("write {}", meant.join(" or ")),
        };
        if setting.key == "topics" {
            help.push_str("; what holds for one topic stands in `[topic.\"role_events\"]`");
        }
        problem(format!("{self} is {found}, it must be {expected}"), help)
    }
}

impl Setting {
    // What a value of another kind can mean, the likelier first.
    fn meant(&self, value: &toml::Value) -> Vec<String> {
        let meant = match (self.kind, value) {
            (Kind::Text, toml::Value::Integer(number)) => {
                let number = number.to_string();
                match (parse_duration(self.example()), parse_duration_range(self.example())) {
                    (Ok(_), _) => durations_within(self, &number),
                    (_, Ok(_)) => ranges_within(self, &number),
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
        meant.iter().map(|value| self.written(value)).collect()
    }

    /// How the file has a `value` of it.
    pub(super) fn written(&self, value: &str) -> String {
        match self.kind {
            Kind::Text | Kind::List => format!("`{} = \"{value}\"`", self.key),
            Kind::Number | Kind::Flag => format!("`{} = {value}`", self.key),
        }
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
