//! The rules of a handler.

use event_names::Kind;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Expr, ExprLit, FnArg, GenericParam, Lit, LitStr, Receiver, ReceiverKind, Safety, Type};

use super::model::{Form, Handler, HandlerArgument, is_known_argument, type_name};
use crate::arguments::Given;
use crate::complaints::Complaints;
use crate::names::{NameValue, Rule, judge, judge_pair};
use crate::tokens::{ends, find_word, text_of};

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

/// Judges the attribute.
pub(crate) fn options(
    given: &Given,
    handler: Option<&Handler>,
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
        id: given.value("id").and_then(|value| id(value, complaints)),
        dead_letter,
        foreign_names,
        blocking: given.flag("blocking").cloned(),
        emits: given.types("emits", complaints),
    };
    if let Some(handler) = handler {
        if let (Some(word), Some(ty)) = (&options.blocking, handler.instance()) {
            let what = format!(
                "`{}` is `blocking`, but only a function may be",
                text_of(ty.to_token_stream())
            );
            complaints.add(word, what, "remove `blocking`");
        }
        missing_names(given, &options, handler, complaints);
        untyped(&options, handler, complaints);
    }
    options
}

const MAX_ID_BYTES: usize = 249;

fn id(value: &Expr, complaints: &mut Complaints) -> Option<LitStr> {
    let Expr::Lit(literal) = value else {
        complaints.add(value, "`id` is a text", "write `id = \"audit.claim_added\"`");
        return None;
    };
    let Lit::Str(text) = &literal.lit else {
        complaints.add(value, "`id` is a text", "write `id = \"audit.claim_added\"`");
        return None;
    };
    let id = text.value();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    if id.is_empty() {
        complaints.add(text, "`id` is empty", "write `id = \"audit.claim_added\"`, or remove `id`");
    } else if id.len() > MAX_ID_BYTES {
        let what = format!("`id` is {} bytes long, the limit is {MAX_ID_BYTES}", id.len());
        complaints.add(text, what, format!("shorten it to {MAX_ID_BYTES} bytes or fewer"));
    } else if let Some(strange) = id.chars().find(|c| !allowed(*c)) {
        let meant: String = id.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
        let what = format!("`id` has the character {strange:?}");
        complaints.add(text, what, format!("write `id = \"{meant}\"`"));
    } else {
        return Some(text.clone());
    }
    None
}

// Records that are not of one event have no contract.
fn untyped(options: &Options, handler: &Handler, complaints: &mut Complaints) {
    let Some(event @ (EventValue::Rest(_) | EventValue::Tombstones(_))) = &options.event else {
        return;
    };
    let (name, word) = (handler.shown_name(), event.word());
    for argument in &handler.arguments {
        let has_payload = match argument.type_name().as_deref() {
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
                EventValue::Tombstones(_) => "write `Key<String>`, which says what is gone",
                _ => "write `RawEvent`, or `Json<..>` when all events have one form",
            };
            complaints.add(&argument.ty, what, help);
        }
    }
}

fn missing_names(given: &Given, options: &Options, handler: &Handler, complaints: &mut Complaints) {
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
        complaints.add_at(Span::call_site(), what, help);
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

/// Judges the signature.
pub(crate) fn signature(handler: &Handler, complaints: &mut Complaints) {
    let name = handler.name();
    if handler.instance().is_some() {
        receiver(handler, complaints);
    } else if let Some(receiver) = handler.signature.receiver() {
        // A method cannot be mended argument by argument, so nothing else is said about it.
        let what = format!("`{name}` takes `self`, but a handler is a free function");
        let help = format!(
            "write `async fn {name}` outside of the `impl`, and take the value as `State<..>`; or \
             put the attribute on `impl EventHandler for ..`"
        );
        return complaints.add(receiver.self_token, what, help);
    }
    qualifiers(handler, complaints);
    generics(handler, complaints);
    for argument in &handler.arguments {
        argument_type(name, argument, complaints);
        if matches!(handler.form, Form::Function { blocking: true }) {
            owned(name, argument, complaints);
        }
    }
    payloads(handler, complaints);
}

// The value is shared by all records, so it is borrowed.
fn receiver(handler: &Handler, complaints: &mut Complaints) {
    let name = handler.name();
    match handler.signature.receiver() {
        Some(Receiver { kind: ReceiverKind::Reference(_, _, None), .. }) => {}
        Some(receiver) => {
            let what = format!(
                "`{name}` takes `{}`, but the value is shared by all records",
                text_of(receiver.to_token_stream())
            );
            complaints.add(receiver, what, "write `&self`");
        }
        None => {
            let what = format!("`{name}` does not take the value that handles");
            let inputs = handler.signature.inputs.iter().map(|i| text_of(i.to_token_stream()));
            let inputs = std::iter::once("&self".to_owned()).chain(inputs).collect::<Vec<_>>();
            let help = format!("write `async fn {name}({})`", inputs.join(", "));
            complaints.add(name, what, help);
        }
    }
}

fn qualifiers(handler: &Handler, complaints: &mut Complaints) {
    let (name, signature) = (handler.name(), &handler.signature);
    let mut remove = |at: TokenStream, word: &str| {
        let what = format!("`{name}` is `{word}`, but a handler is an ordinary `async fn`");
        complaints.add(at, what, format!("write `async fn {name}`"));
    };
    if let Some(word) = &signature.constness {
        return remove(word.to_token_stream(), "const");
    }
    if let Safety::Unsafe(word) = &signature.safety {
        return remove(word.to_token_stream(), "unsafe");
    }
    if let Some(abi) = &signature.abi {
        return remove(abi.to_token_stream(), "extern");
    }
    match (&handler.form, &signature.asyncness) {
        (Form::Function { blocking: true }, Some(word)) => {
            let what = format!("`{name}` is async, but a `blocking` handler is a plain function");
            return complaints.add(word, what, format!("write `fn {name}`, or remove `blocking`"));
        }
        (Form::Function { blocking: false }, None) => {
            let what = format!("`{name}` is not async, and would block other handlers");
            let help = format!("write `async fn {name}`, or `#[event_handler(blocking, ..)]`");
            return complaints.add(signature.fn_token, what, help);
        }
        (Form::Instance(_), None) => {
            let what = format!("`{name}` is not async, and would block other handlers");
            return complaints.add(signature.fn_token, what, format!("write `async fn {name}`"));
        }
        _ => {}
    }
    if !handler.has_body {
        let what = format!("`{name}` has no body");
        complaints.add(name, what, "put the attribute on a free function, not on a trait's");
    }
    if let Some(variadic) = &signature.variadic {
        let what = format!("`{name}` takes any number of arguments");
        complaints.add(variadic, what, "name each argument");
    }
}

fn generics(handler: &Handler, complaints: &mut Complaints) {
    let name = handler.name();
    for param in &handler.signature.generics.params {
        let (ident, help) = match param {
            GenericParam::Lifetime(_) => continue,
            GenericParam::Type(param) => (&param.ident, "type itself"),
            GenericParam::Const(param) => (&param.ident, "value itself"),
        };
        let what = format!("`{name}` is generic over `{ident}`, but a handler is one function");
        let help = format!("write the {help} in place of `{ident}`");
        complaints.add(param, what, help);
    }
}

fn argument_type(name: &Ident, argument: &HandlerArgument, complaints: &mut Complaints) {
    if let Type::Reference(reference) = &argument.ty {
        let inner = text_of(reference.elem.to_token_stream());
        let what = format!(
            "`{name}` takes the reference `{}`, but a handler owns its arguments",
            argument.text()
        );
        let help = match type_name(&reference.elem).as_deref() {
            Some(name) if is_known_argument(name) => format!("write `{inner}`"),
            Some("str") => "write `Json<String>`".to_owned(),
            Some(_) => {
                format!(
                    "write `State<{inner}>` for a shared value, or `Event<{inner}>` for the payload"
                )
            }
            None => {
                "write `State<..>` for a shared value, or `Event<..>` for the payload".to_owned()
            }
        };
        return complaints.add(&argument.ty, what, help);
    }
    if let Some(word) = find_word(argument.ty.to_token_stream(), "impl") {
        let at = if matches!(argument.ty, Type::ImplTrait(_)) {
            argument.ty.to_token_stream()
        } else {
            quote!(#word)
        };
        let what = format!("`{name}` takes `{}`, but a handler is one function", argument.text());
        complaints.add(at, what, "write the type itself: `Event<ClaimAdded>`");
    }
}

// What runs on another thread outlives the record that it would borrow from.
fn owned(name: &Ident, argument: &HandlerArgument, complaints: &mut Complaints) {
    if !matches!(argument.ty, Type::Reference(_)) && has_lifetime(argument.ty.to_token_stream()) {
        let what = format!(
            "`{name}` is `blocking`, but `{}` borrows from the record, which it may outlive",
            argument.text()
        );
        complaints.add(
            &argument.ty,
            what,
            "take data that owns what it holds, or write an `async fn`",
        );
    }
}

fn has_lifetime(tokens: TokenStream) -> bool {
    let mut after_quote = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) if after_quote => {
            after_quote = false;
            ident != "static"
        }
        TokenTree::Group(group) => has_lifetime(group.stream()),
        token => {
            after_quote = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
            false
        }
    })
}

fn payloads(handler: &Handler, complaints: &mut Complaints) {
    let is_payload = |argument: &HandlerArgument| {
        matches!(argument.type_name().as_deref(), Some("Event" | "Json"))
    };
    let names = handler.signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => Some(&typed.pat),
        FnArg::Receiver(_) => None,
    });
    let mut payloads = names.zip(&handler.arguments).filter(|(_, argument)| is_payload(argument));
    let Some((_, first)) = payloads.next() else { return };
    for (name, second) in payloads {
        let what = format!(
            "`{}` takes two payloads, `{}` and `{}`, but a record has one",
            handler.name(),
            first.text(),
            second.text()
        );
        let name = text_of(name.to_token_stream());
        let help = format!("remove `{name}: {}`, or write a handler for each event", second.text());
        complaints.add(&second.ty, what, help);
    }
}
