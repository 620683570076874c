//! The rules of the function: what it takes, and how it is written.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    FnArg, GenericArgument, GenericParam, PathArguments, Receiver, ReceiverKind, Safety, Type,
    TypeParamBound,
};

use super::batch;
use super::model::{Form, Handler, HandlerArgument};
use super::type_names::{is_known_argument, is_std, is_std_path, type_name};
use crate::diagnostics::Diagnostics;
use crate::tokens::{find_word, text_of};

/// Validates the signature.
pub(super) fn validate(handler: &Handler, diagnostics: &mut Diagnostics) {
    let name = handler.name();
    if handler.instance().is_some() {
        receiver(handler, diagnostics);
    } else if let Some(receiver) = handler.signature.receiver() {
        // A method cannot be fixed argument by argument, so nothing else is said about it.
        let what = format!("`{name}` takes `self`, but a handler is a free function");
        let help = format!(
            "write `async fn {name}` outside of the `impl`, and take the value as `State<..>`; or \
             put the attribute on `impl EventHandler for ..`"
        );
        return diagnostics.add(receiver.self_token, what, help);
    }
    qualifiers(handler, diagnostics);
    generics(handler, diagnostics);
    for argument in &handler.arguments {
        argument_type(name, argument, diagnostics);
        if matches!(handler.form, Form::Function { blocking: true }) {
            owned(name, argument, diagnostics);
        }
    }
    payloads(handler, diagnostics);
    batch::arguments(handler, diagnostics);
    if let Some(output) = handler.output() {
        boxed_error(name, output, diagnostics);
    }
}

// The value is shared by all records, so it is borrowed.
fn receiver(handler: &Handler, diagnostics: &mut Diagnostics) {
    let name = handler.name();
    match handler.signature.receiver() {
        Some(Receiver { kind: ReceiverKind::Reference(_, _, None), .. }) => {}
        Some(receiver) => {
            let what = format!(
                "`{name}` takes `{}`, but the value is shared by all records",
                text_of(receiver.to_token_stream())
            );
            diagnostics.add(receiver, what, "write `&self`");
        }
        None => {
            let what = format!("`{name}` does not take the value that handles");
            let inputs = handler.signature.inputs.iter().map(|i| text_of(i.to_token_stream()));
            let inputs = std::iter::once("&self".to_owned()).chain(inputs).collect::<Vec<_>>();
            let help = format!("write `async fn {name}({})`", inputs.join(", "));
            diagnostics.add(name, what, help);
        }
    }
}

fn qualifiers(handler: &Handler, diagnostics: &mut Diagnostics) {
    let (name, signature) = (handler.name(), &handler.signature);
    let mut remove = |at: TokenStream, word: &str| {
        let what = format!("`{name}` is `{word}`, but a handler is an ordinary `async fn`");
        diagnostics.add(at, what, format!("write `async fn {name}`"));
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
            return diagnostics.add(word, what, format!("write `fn {name}`, or remove `blocking`"));
        }
        (Form::Function { blocking: false }, None) => {
            let what = format!("`{name}` is not async, and would block other handlers");
            let help = format!("write `async fn {name}`, or `#[event_handler(blocking, ..)]`");
            return diagnostics.add(signature.fn_token, what, help);
        }
        (Form::Instance(_), None) => {
            let what = format!("`{name}` is not async, and would block other handlers");
            return diagnostics.add(signature.fn_token, what, format!("write `async fn {name}`"));
        }
        _ => {}
    }
    if !handler.has_body {
        let what = format!("`{name}` has no body");
        diagnostics.add(name, what, "put the attribute on a free function, not on a trait's");
    }
    if let Some(variadic) = &signature.variadic {
        let what = format!("`{name}` takes any number of arguments");
        diagnostics.add(variadic, what, "name each argument");
    }
}

fn generics(handler: &Handler, diagnostics: &mut Diagnostics) {
    let name = handler.name();
    for param in &handler.signature.generics.params {
        let (ident, help) = match param {
            GenericParam::Lifetime(_) => continue,
            GenericParam::Type(param) => (&param.ident, "type itself"),
            GenericParam::Const(param) => (&param.ident, "value itself"),
        };
        let what = format!("`{name}` is generic over `{ident}`, but a handler is one function");
        let help = format!("write the {help} in place of `{ident}`");
        diagnostics.add(param, what, help);
    }
}

fn argument_type(name: &Ident, argument: &HandlerArgument, diagnostics: &mut Diagnostics) {
    if let Type::Reference(reference) = &argument.ty {
        let inner = text_of(reference.elem.to_token_stream());
        let what = format!(
            "`{name}` takes the reference `{}`, but a handler owns its arguments",
            argument.text()
        );
        let slice = match &*reference.elem {
            Type::Slice(slice) => Some(text_of(slice.elem.to_token_stream())),
            _ => None,
        };
        let help = match type_name(&reference.elem).as_deref() {
            None if slice.is_some() => {
                format!("write `Vec<{}>` for several records", slice.unwrap_or_default())
            }
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
        return diagnostics.add(&argument.ty, what, help);
    }
    if let Some(word) = find_word(argument.ty.to_token_stream(), "impl") {
        let at = if matches!(argument.ty, Type::ImplTrait(_)) {
            argument.ty.to_token_stream()
        } else {
            quote!(#word)
        };
        let what = format!("`{name}` takes `{}`, but a handler is one function", argument.text());
        diagnostics.add(at, what, "write the type itself: `Event<ClaimAdded>`");
    }
}

// What runs on another thread outlives the record that it would borrow from.
fn owned(name: &Ident, argument: &HandlerArgument, diagnostics: &mut Diagnostics) {
    if !matches!(argument.ty, Type::Reference(_)) && borrows(argument.ty.to_token_stream()) {
        let what = format!(
            "`{name}` is `blocking`, but `{}` borrows from the record, which it may outlive",
            argument.text()
        );
        diagnostics.add(
            &argument.ty,
            what,
            "take data that owns what it holds, or write an `async fn`",
        );
    }
}

// Whether a lifetime other than `'static` can be seen, or a reference that has none written.
fn borrows(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    let mut is_callable = false;
    while let Some(token) = tokens.next() {
        let found = match &token {
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                !matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "static")
            }
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'')
            }
            // What a function takes is borrowed only while it runs.
            TokenTree::Group(group) => !is_callable && borrows(group.stream()),
            _ => false,
        };
        if found {
            return true;
        }
        is_callable = matches!(&token, TokenTree::Ident(word)
            if ["fn", "Fn", "FnMut", "FnOnce"].iter().any(|callable| word == callable));
    }
    false
}

fn payloads(handler: &Handler, diagnostics: &mut Diagnostics) {
    // Of arguments under a `cfg` perhaps only one is there.
    let is_payload = |argument: &HandlerArgument| {
        argument.cfgs.is_empty() && matches!(argument.name.as_deref(), Some("Event" | "Json"))
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
        diagnostics.add(&second.ty, what, help);
    }
}

// `?` makes a boxed error only of what may be sent, and the compiler says so in three errors.
fn boxed_error(name: &Ident, output: &Type, diagnostics: &mut Diagnostics) {
    if type_name(output).is_none_or(|name| name != "Result") {
        return;
    }
    let Some(error) = type_arguments(output).and_then(|mut types| types.nth(1)) else { return };
    if !is_std(error, "Box") {
        return;
    }
    let Some(Type::TraitObject(object)) = type_arguments(error).and_then(|mut types| types.next())
    else {
        return;
    };
    let has = |name: &str| {
        object.bounds.iter().any(|bound| match bound {
            TypeParamBound::Trait(bound) => is_std_path(&bound.path, name),
            _ => false,
        })
    };
    if has("Error") && !(has("Send") && has("Sync")) {
        let what = format!(
            "`{name}` returns the error `{}`, which cannot be handed to another thread",
            text_of(error.to_token_stream())
        );
        diagnostics.add(error, what, "write `Box<dyn std::error::Error + Send + Sync>`");
    }
}

// The types in the angle brackets of a path.
fn type_arguments(ty: &Type) -> Option<impl Iterator<Item = &Type>> {
    let Type::Path(path) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    Some(arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }))
}
