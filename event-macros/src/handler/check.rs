//! The rules of the attribute.

use event_names::Kind;
use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, LitStr, Type};

use super::KEYS;
use super::delivery::{self, Delivery};
use super::model::{Handler, HandlerArgument};
use crate::arguments::{Given, Values};
use crate::complaints::Complaints;
use crate::names::{NameValue, Rule, judge, judge_pair};
use crate::tokens::{ends, text_of};

/// What the attribute says; names that are missing come from the contract.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) topic: Option<NameValue>,
    pub(crate) event: Option<EventValue>,
    pub(crate) id: Option<LitStr>,
    pub(crate) dead_letter: Option<NameValue>,
    pub(crate) foreign_names: Option<Ident>,
    pub(crate) blocking: Option<Ident>,
    pub(crate) emits: Option<Vec<Type>>,
    pub(crate) delivery: Delivery,
}

/// What follows `event =`.
pub(crate) enum EventValue {
    /// The name of one event.
    Name(NameValue),
    /// `*`.
    Rest(Span),
    /// `tombstone`.
    Tombstones(Span),
}

impl EventValue {
    fn read(value: &Expr, complaints: &mut Complaints) -> Option<Self> {
        match value {
            Expr::Verbatim(star) => Some(EventValue::Rest(ends(star).0)),
            Expr::Path(path) if path.path.is_ident("tombstone") => {
                Some(EventValue::Tombstones(ends(path).0))
            }
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. })
                if ["*", "tombstone"].contains(&text.value().as_str()) =>
            {
                let word = text.value();
                let what = format!("`\"{word}\"` is the name of an event, which this is not");
                complaints.add(text, what, format!("write `event = {word}`"));
                None
            }
            value => NameValue::read(Kind::Event, "event", value, complaints).map(EventValue::Name),
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            EventValue::Name(_) => "..",
            EventValue::Rest(_) => "*",
            EventValue::Tombstones(_) => "tombstone",
        }
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            EventValue::Name(name) => name.ends().0,
            EventValue::Rest(span) | EventValue::Tombstones(span) => *span,
        }
    }
}

/// Judges the attribute, which stands `at`.
pub(crate) fn options(
    given: &Given,
    handler: Option<&Handler>,
    at: Span,
    complaints: &mut Complaints,
) -> Options {
    let foreign_names = given.flag("foreign_names").cloned();
    let mut topic_of = |key| {
        given.value(key).and_then(|value| NameValue::read(Kind::Topic, key, value, complaints))
    };
    let (topic, dead_letter) = (topic_of("topic"), topic_of("dead_letter"));
    let event = given.value("event").and_then(|value| EventValue::read(value, complaints));
    let rule = if given.means("foreign_names") { Rule::Foreign } else { Rule::Convention };
    let event_name = match &event {
        Some(EventValue::Name(name)) => Some(name),
        _ => None,
    };
    judge_pair(topic.as_ref(), ("event", event_name), rule, complaints);
    if let Some(NameValue::Text(text)) = &dead_letter {
        judge(Kind::Topic, "dead_letter", &text.value(), text, rule, complaints);
    }
    let options = Options {
        topic,
        event,
        id: Values::new(given, &KEYS, complaints).label("id", ":"),
        dead_letter,
        foreign_names,
        blocking: given.flag("blocking").cloned(),
        emits: given.types("emits", complaints),
        delivery: Delivery::read(given, &KEYS, complaints),
    };
    listed_twice(&options, complaints);
    if let Some(handler) = handler {
        if let (Some(word), Some(ty)) = (&options.blocking, handler.instance()) {
            let what = format!(
                "`{}` is `blocking`, but only a function may be",
                text_of(ty.to_token_stream())
            );
            complaints.add(word, what, "remove `blocking`");
        }
        missing_names(given, &options, handler, at, complaints);
        untyped(&options, handler, complaints);
        delivery::judge(&options.delivery, given, handler, complaints);
    }
    options
}

fn listed_twice(options: &Options, complaints: &mut Complaints) {
    let mut before = Vec::new();
    for ty in options.emits.iter().flatten() {
        let text = text_of(ty.to_token_stream());
        if before.contains(&text) {
            let what = format!("`emits` lists `{text}` twice");
            complaints.add(ty, what, format!("remove `{text}`"));
        }
        before.push(text);
    }
}

// Records that are not of one event have no contract.
fn untyped(options: &Options, handler: &Handler, complaints: &mut Complaints) {
    let Some(event @ (EventValue::Rest(_) | EventValue::Tombstones(_))) = &options.event else {
        return;
    };
    let (name, word) = (handler.shown_name(), event.word());
    for argument in &handler.arguments {
        let has_payload = match argument.name.as_deref() {
            Some("Event") => true,
            Some("Json") => matches!(event, EventValue::Tombstones(_)),
            _ => false,
        };
        if has_payload {
            let what = match event {
                EventValue::Tombstones(_) => {
                    format!("`{name}` takes `{}`, but a tombstone has no data", argument.text())
                }
                _ => format!(
                    "`{name}` takes `{}`, but `event = {word}` is for any event",
                    argument.text()
                ),
            };
            let help = match event {
                EventValue::Tombstones(_) if argument.is_batch => {
                    "write `Vec<Key<String>>`, which says what is gone"
                }
                EventValue::Tombstones(_) => "write `Key<String>`, which says what is gone",
                _ if argument.is_batch => {
                    "write `Vec<RawEvent>`, or `Vec<Json<..>>` when all events have one form"
                }
                _ => "write `RawEvent`, or `Json<..>` when all events have one form",
            };
            complaints.add(&argument.ty, what, help);
        }
    }
}

fn missing_names(
    given: &Given,
    options: &Options,
    handler: &Handler,
    at: Span,
    complaints: &mut Complaints,
) {
    let untyped = matches!(options.event, Some(EventValue::Rest(_) | EventValue::Tombstones(_)));
    if !untyped && handler.arguments.iter().any(HandlerArgument::may_have_contract) {
        return;
    }
    let (topic, event) = (given.lacks("topic"), given.lacks("event"));
    if topic || event {
        let (missing, write) = missing(topic, event);
        let what = format!(
            "`{}` does not say its {missing}, and takes no contract that does",
            handler.shown_name()
        );
        let help = match &options.event {
            Some(event @ (EventValue::Rest(_) | EventValue::Tombstones(_))) => format!(
                "write `#[event_handler(topic = \"role_events\", event = {}, ..)]`",
                event.word()
            ),
            _ => format!("write `{write}`, or take an `Event<..>`"),
        };
        complaints.add_at(at, what, help);
    }
}

/// What is missing from the attribute, and what to write.
pub(super) fn missing(topic: bool, event: bool) -> (&'static str, &'static str) {
    match (topic, event) {
        (true, false) => ("topic", "#[event_handler(topic = \"role_events\", ..)]"),
        (false, true) => ("event", "#[event_handler(event = \"CLAIM_ADDED\", ..)]"),
        _ => (
            "topic and event",
            "#[event_handler(topic = \"role_events\", event = \"CLAIM_ADDED\")]",
        ),
    }
}
