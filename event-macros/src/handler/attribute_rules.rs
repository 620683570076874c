//! The rules of the attribute.

use event_names::Kind;
use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, LitStr, Type};

use super::KEYS;
use super::delivery::{self, Delivery};
use super::model::{Handler, HandlerArgument};
use crate::arguments::{AttributeArgs, Values};
use crate::diagnostics::Diagnostics;
use crate::names::{NameValue, Rule, validate, validate_pair};
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
    CatchAll(Span),
    /// `tombstone`.
    Tombstones(Span),
}

impl EventValue {
    fn read(value: &Expr, diagnostics: &mut Diagnostics) -> Option<Self> {
        match value {
            Expr::Verbatim(star) => Some(EventValue::CatchAll(ends(star).0)),
            Expr::Path(path) if path.path.is_ident("tombstone") => {
                Some(EventValue::Tombstones(ends(path).0))
            }
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. })
                if ["*", "tombstone"].contains(&text.value().as_str()) =>
            {
                let word = text.value();
                let what = format!("`\"{word}\"` is the name of an event, which this is not");
                diagnostics.add(text, what, format!("write `event = {word}`"));
                None
            }
            value => {
                NameValue::read(Kind::Event, "event", value, diagnostics).map(EventValue::Name)
            }
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            EventValue::Name(_) => "..",
            EventValue::CatchAll(_) => "*",
            EventValue::Tombstones(_) => "tombstone",
        }
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            EventValue::Name(name) => name.ends().0,
            EventValue::CatchAll(span) | EventValue::Tombstones(span) => *span,
        }
    }
}

/// Validates the attribute, which stands `at`.
pub(crate) fn options(
    args: &AttributeArgs,
    handler: Option<&Handler>,
    at: Span,
    diagnostics: &mut Diagnostics,
) -> Options {
    let foreign_names = args.flag("foreign_names").cloned();
    let mut topic_of = |key| {
        args.value(key).and_then(|value| NameValue::read(Kind::Topic, key, value, diagnostics))
    };
    let (topic, dead_letter) = (topic_of("topic"), topic_of("dead_letter"));
    let event = args.value("event").and_then(|value| EventValue::read(value, diagnostics));
    let rule = if args.means("foreign_names") { Rule::Foreign } else { Rule::Convention };
    let event_name = match &event {
        Some(EventValue::Name(name)) => Some(name),
        _ => None,
    };
    validate_pair(topic.as_ref(), ("event", event_name), rule, diagnostics);
    if let Some(NameValue::Text(text)) = &dead_letter {
        validate(Kind::Topic, "dead_letter", &text.value(), text, rule, diagnostics);
    }
    let options = Options {
        topic,
        event,
        id: Values::new(args, &KEYS, diagnostics).label("id", ":"),
        dead_letter,
        foreign_names,
        blocking: args.flag("blocking").cloned(),
        emits: args.types("emits", diagnostics),
        delivery: Delivery::read(args, &KEYS, diagnostics),
    };
    listed_twice(&options, diagnostics);
    if let Some(handler) = handler {
        if let (Some(word), Some(ty)) = (&options.blocking, handler.instance()) {
            let what = format!(
                "`{}` is `blocking`, but only a function may be",
                text_of(ty.to_token_stream())
            );
            diagnostics.add(word, what, "remove `blocking`");
        }
        missing_names(args, &options, handler, at, diagnostics);
        untyped(&options, handler, diagnostics);
        delivery::validate(&options.delivery, args, handler, diagnostics);
    }
    options
}

fn listed_twice(options: &Options, diagnostics: &mut Diagnostics) {
    let mut before = Vec::new();
    for ty in options.emits.iter().flatten() {
        let text = text_of(ty.to_token_stream());
        if before.contains(&text) {
            let what = format!("`emits` lists `{text}` twice");
            diagnostics.add(ty, what, format!("remove `{text}`"));
        }
        before.push(text);
    }
}

// Records that are not of one event have no contract.
fn untyped(options: &Options, handler: &Handler, diagnostics: &mut Diagnostics) {
    let Some(event @ (EventValue::CatchAll(_) | EventValue::Tombstones(_))) = &options.event else {
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
            diagnostics.add(&argument.ty, what, help);
        }
    }
}

fn missing_names(
    args: &AttributeArgs,
    options: &Options,
    handler: &Handler,
    at: Span,
    diagnostics: &mut Diagnostics,
) {
    let untyped =
        matches!(options.event, Some(EventValue::CatchAll(_) | EventValue::Tombstones(_)));
    if !untyped && handler.arguments.iter().any(HandlerArgument::may_have_contract) {
        return;
    }
    let (topic, event) = (args.lacks("topic"), args.lacks("event"));
    if topic || event {
        let (missing, write) = missing(topic, event);
        let what = format!(
            "`{}` does not say its {missing}, and takes no contract that does",
            handler.shown_name()
        );
        let help = match &options.event {
            Some(event @ (EventValue::CatchAll(_) | EventValue::Tombstones(_))) => format!(
                "write `#[event_handler(topic = \"role_events\", event = {}, ..)]`",
                event.word()
            ),
            _ => format!("write `{write}`, or take an `Event<..>`"),
        };
        diagnostics.add_at(at, what, help);
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
