//! The rules of a handler.

use event_names::Kind;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{FnArg, GenericParam, Safety, Type};

use super::model::{Handler, HandlerArgument, type_name};
use crate::arguments::Given;
use crate::complaints::Complaints;
use crate::names::{NameValue, judge_pair};
use crate::tokens::{find_word, text_of};

/// The names in the attribute; what is missing comes from the contract.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) topic: Option<NameValue>,
    pub(crate) event: Option<NameValue>,
}

/// Judges the names.
pub(crate) fn names(
    given: &Given,
    handler: Option<&Handler>,
    complaints: &mut Complaints,
) -> Names {
    let mut read = |kind, key| {
        given.value(key).and_then(|value| NameValue::read(kind, key, value, complaints))
    };
    let names = Names { topic: read(Kind::Topic, "topic"), event: read(Kind::Event, "event") };
    judge_pair(names.topic.as_ref(), ("event", names.event.as_ref()), complaints);
    if let Some(handler) = handler {
        missing_names(given, handler, complaints);
    }
    names
}

fn missing_names(given: &Given, handler: &Handler, complaints: &mut Complaints) {
    if handler.arguments.iter().any(HandlerArgument::may_have_contract) {
        return;
    }
    let (topic, event) = (given.lacks("topic"), given.lacks("event"));
    if topic || event {
        let (missing, write) = missing(topic, event);
        let what = format!(
            "`{}` does not say its {missing}, and takes no contract that does",
            handler.name()
        );
        let help = format!("write `{write}`, or take an `Event<..>`");
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
    // A method cannot be mended argument by argument, so nothing else is said about it.
    if let Some(receiver) = handler.signature.receiver() {
        let what = format!("`{name}` takes `self`, but a handler is a free function");
        let help = format!(
            "write `async fn {name}` outside of the `impl`, and take the value as `State<..>`"
        );
        return complaints.add(receiver.self_token, what, help);
    }
    qualifiers(handler, complaints);
    generics(handler, complaints);
    for (typed, argument) in handler.signature.inputs.iter().zip(&handler.arguments) {
        if let FnArg::Typed(_) = typed {
            argument_type(name, argument, complaints);
        }
    }
    payloads(handler, complaints);
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
    if signature.asyncness.is_none() {
        let what = format!("`{name}` is not async, and a handler is");
        return complaints.add(signature.fn_token, what, format!("write `async fn {name}`"));
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
        let known = ["Event", "Json", "RawEvent", "State", "Position"];
        let help = match type_name(&reference.elem).as_deref() {
            Some(name) if known.contains(&name) => format!("write `{inner}`"),
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
