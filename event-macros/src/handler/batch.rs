//! The rules of a handler that takes several records at once.

use quote::ToTokens;
use syn::Type;

use super::attribute_rules::Options;
use super::model::{Handler, HandlerArgument};
use super::type_names::{first_type, is_known_argument, is_of_one_record, is_std, type_name};
use crate::arguments::AttributeArgs;
use crate::diagnostics::Diagnostics;
use crate::tokens::text_of;

/// Validates the batch among the arguments, and whether the attribute agrees that there is one.
pub(super) fn validate(
    handler: &Handler,
    options: &Options,
    args: &AttributeArgs,
    diagnostics: &mut Diagnostics,
) {
    let Some((key, list)) = args.list("batch").filter(|_| handler.batch().is_none()) else {
        return;
    };
    let name = handler.shown_name();
    let written = format!("batch({})", text_of(list.stream()));
    if handler.instance().is_some() {
        let what = format!("`{name}` says `batch`, but a value handles records one by one");
        return diagnostics.add(key, what, format!("remove `{written}`, or write a function"));
    }
    // Of a wrong argument is said elsewhere what it has to be.
    if handler.arguments.iter().any(|argument| wrong_batch(argument).is_some()) {
        return;
    }
    let single = handler.arguments.iter().find_map(|argument| Some((argument, several(argument)?)));
    let help = match single {
        Some((argument, batch)) => format!("write `{batch}` in place of `{}`", argument.text()),
        None if options.topic.is_some() && options.event.is_some() => {
            format!("add `events: Vec<RawEvent>` to its arguments, or remove `{written}`")
        }
        None => format!("take a `Batch<..>` of a contract, or remove `{written}`"),
    };
    diagnostics.add(key, format!("`{name}` says `batch`, but takes no batch"), help);
}

/// Validates the arguments alone.
pub(super) fn arguments(handler: &Handler, diagnostics: &mut Diagnostics) {
    let name = handler.shown_name();
    for argument in &handler.arguments {
        if let Some(help) = wrong_batch(argument) {
            let what = format!("`{name}` takes `{}`, which is no argument", argument.text());
            diagnostics.add(&argument.ty, what, help);
        }
    }
    let Some((index, batch)) = handler.batch() else { return };
    if handler.instance().is_some() {
        let what = format!(
            "`{name}` takes the batch `{}`, but a value handles records one by one",
            batch.text()
        );
        let help = format!("write `{}`, or a function that takes `State<{name}>`", single(batch));
        return diagnostics.add(&batch.ty, what, help);
    }
    if let Some(cfg) = batch.cfgs.first() {
        let what = format!("the batch of `{name}` is not always there");
        return diagnostics.add(
            cfg,
            what,
            "put the `cfg` on two functions, with and without batch",
        );
    }
    let others = handler.arguments.iter().zip(handler.pattern_texts()).enumerate();
    for (_, (argument, pattern)) in others.filter(|(other, _)| *other != index) {
        let Some(of_record) = argument.name.as_deref().filter(|name| is_of_one_record(name)) else {
            continue;
        };
        // That a record has one payload is said of two of them.
        let is_payload = |name: &str| ["Event", "Json"].contains(&name);
        if is_payload(of_record) && batch.name.as_deref().is_some_and(is_payload) {
            continue;
        }
        let written = format!("{pattern}: {}", argument.text());
        let what = format!(
            "`{name}` takes `{}` beside the batch `{}`, but each of its records has its own",
            argument.text(),
            batch.text()
        );
        let help = match of_record {
            "Position" if type_name(&batch.ty).is_some_and(|name| name == "Batch") => {
                format!("remove `{written}`; the batch has `positions()`")
            }
            _ => {
                format!("remove `{written}`, or write `Vec<RawEvent>`, which has the whole records")
            }
        };
        diagnostics.add(&argument.ty, what, help);
    }
}

// What to write for an argument that is meant to be a batch and is none.
fn wrong_batch(argument: &HandlerArgument) -> Option<String> {
    if argument.is_batch {
        return None;
    }
    let Type::Path(path) = &argument.ty else { return None };
    let inner = first_type(&path.path)?;
    let inner_text = text_of(inner.to_token_stream());
    if is_std(&argument.ty, "Vec") {
        return Some(match type_name(inner).as_deref() {
            Some(known) if is_known_argument(known) => format!("write `{inner_text}`"),
            _ => format!(
                "write `Batch<{inner_text}>` for the payloads of a contract, or \
                 `Vec<Json<{inner_text}>>` for untyped data"
            ),
        });
    }
    // An `Option` or a `Result` around it.
    let is_around = is_std(&argument.ty, "Option") || is_std(&argument.ty, "Result");
    let item = match inner {
        Type::Path(path) if is_std(inner, "Vec") => first_type(&path.path).and_then(type_name),
        _ => None,
    };
    let is_batch = argument.name.as_deref() == Some("Batch")
        || item.is_some_and(|item| is_of_one_record(&item));
    (is_around && is_batch).then(|| format!("write `{inner_text}`"))
}

// `Batch<X>` of `Event<X>`, and `Vec<Y>` of what else one record gives.
fn several(argument: &HandlerArgument) -> Option<String> {
    let name = argument.name.as_deref().filter(|name| is_of_one_record(name))?;
    match &argument.ty {
        Type::Path(path) if name == "Event" && type_name(&argument.ty)? == "Event" => {
            let payload = first_type(&path.path)?;
            Some(format!("Batch<{}>", text_of(payload.to_token_stream())))
        }
        _ => Some(format!("Vec<{}>", argument.text())),
    }
}

// `Event<X>` of `Batch<X>`, and `Y` of `Vec<Y>`.
fn single(batch: &HandlerArgument) -> String {
    let Type::Path(path) = &batch.ty else { return "Event<..>".to_owned() };
    let inner = first_type(&path.path).map(|inner| text_of(inner.to_token_stream()));
    match inner {
        Some(inner) if is_std(&batch.ty, "Vec") => inner,
        Some(inner) => format!("Event<{inner}>"),
        None => "Event<..>".to_owned(),
    }
}

impl Handler {
    // How the arguments are called, `self` aside.
    fn pattern_texts(&self) -> impl Iterator<Item = String> + '_ {
        self.signature.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(typed) => Some(text_of(typed.pat.to_token_stream())),
            syn::FnArg::Receiver(_) => None,
        })
    }
}
