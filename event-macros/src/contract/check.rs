//! The rules of a contract.

use event_names::Kind;
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Attribute, Expr, Field, GenericArgument, PathArguments, Type};

use super::model::{ContractType, plain_name};
use crate::arguments::{Given, nearest};
use crate::complaints::Complaints;
use crate::names::{NameValue, judge_pair};
use crate::tokens::{find_word, text_of};

/// The two names of a contract.
pub(crate) struct Names {
    pub(crate) topic: NameValue,
    pub(crate) name: NameValue,
}

/// Judges the names; both must be there.
pub(crate) fn names(
    given: &Given,
    type_name: &Ident,
    complaints: &mut Complaints,
) -> Option<Names> {
    missing_names(given, type_name, complaints);
    let mut read = |kind, key| {
        given.value(key).and_then(|value| NameValue::read(kind, key, value, complaints))
    };
    let (topic, name) = (read(Kind::Topic, "topic"), read(Kind::Event, "name"));
    judge_pair(topic.as_ref(), ("name", name.as_ref()), complaints);
    Some(Names { topic: topic?, name: name? })
}

fn missing_names(given: &Given, type_name: &Ident, complaints: &mut Complaints) {
    let meant_event = event_names::suggestion(Kind::Event, &type_name.to_string());
    let missing: Vec<_> = [("topic", "role_events"), ("name", meant_event.as_str())]
        .into_iter()
        .filter(|(key, _)| given.lacks(key))
        .collect();
    if missing.is_empty() {
        return;
    }
    let keys: Vec<_> = missing.iter().map(|(key, _)| *key).collect();
    let pairs: Vec<_> = missing.iter().map(|(key, name)| format!("{key} = \"{name}\"")).collect();
    let what = format!("contract `{type_name}` does not say its {}", keys.join(" and "));
    let rest = if missing.len() == 1 { ", .." } else { "" };
    complaints.add(type_name, what, format!("write `#[event({}{rest})]`", pairs.join(", ")));
}

/// The field whose value is the record key.
pub(crate) fn key(
    given: &Given,
    contract: &ContractType<'_>,
    complaints: &mut Complaints,
) -> Option<Ident> {
    let value = given.value("key")?;
    let type_name = contract.name();
    let fields: Vec<_> = contract.fields.iter().flatten().map(|f| plain_name(f)).collect();
    if contract.fields.is_none() {
        let what = format!("contract `{type_name}` is an enum, which has no field to be the key");
        complaints.add(value, what, "remove `key`, or put the variants into a struct");
        return None;
    }
    let ident = match value {
        Expr::Path(path) => path.path.get_ident(),
        _ => None,
    };
    match ident {
        Some(ident) if contract.has_field(ident) => Some(ident.clone()),
        _ => {
            let written = text_of(value.to_token_stream());
            let word = written.trim_matches('"');
            let what = format!("`{written}` is not a field of contract `{type_name}`");
            let help = match nearest(word, fields.iter().map(String::as_str)) {
                Some(field) => format!("write `key = {field}`"),
                None if fields.is_empty() => "it has no fields: remove `key`".to_owned(),
                None => format!("the fields are `{}`", fields.join("`, `")),
            };
            complaints.add(value, what, help);
            None
        }
    }
}

/// Judges the fields that borrow.
pub(crate) fn fields(contract: &ContractType<'_>, complaints: &mut Complaints) {
    for field in contract.fields.iter().flatten() {
        // Code of the user's own decodes it then, or nothing does.
        if serde_says(&field.attrs, &["deserialize_with", "with", "skip", "skip_deserializing"]) {
            continue;
        }
        let name = plain_name(field);
        if is_text_reference(&field.ty) {
            let what = format!(
                "field `{name}` is `{}`, which cannot hold a text that JSON writes with an escape",
                text_of(field.ty.to_token_stream())
            );
            let help = instead_of_reference(&name, &text_of(field.ty.to_token_stream()));
            complaints.add(&field.ty, what, help);
        } else if is_borrowing_cow(field) && !serde_says(&field.attrs, &["borrow"]) {
            let what = format!("field `{name}` is a `Cow` that never borrows: serde copies it");
            complaints.add(&field.ty, what, format!("write `#[serde(borrow)]` above `{name}`"));
        }
    }
}

fn serde_says(attributes: &[Attribute], words: &[&str]) -> bool {
    attributes.iter().filter(|a| a.path().is_ident("serde")).any(|attribute| {
        let tokens = attribute.meta.to_token_stream();
        words.iter().any(|word| find_word(tokens.clone(), word).is_some())
    })
}

// `&'a str`, also inside an `Option`.
fn is_text_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => {
            matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("str"))
        }
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            last.ident == "Option" && inner_types(&last.arguments).any(is_text_reference)
        }),
        _ => false,
    }
}

fn is_borrowing_cow(field: &Field) -> bool {
    let Type::Path(path) = &field.ty else { return false };
    path.path.segments.last().is_some_and(|last| {
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
        let borrows = |argument: &GenericArgument| match argument {
            GenericArgument::Lifetime(lifetime) => lifetime.ident != "static",
            _ => false,
        };
        last.ident == "Cow" && arguments.args.iter().any(borrows)
    })
}

fn inner_types(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

// `Option<&'a str>` with the reference replaced: `Option<Cow<'a, str>>`.
// What to write in place of `&'a str`: a `Cow` where there is a lifetime to borrow for, else owned text.
fn instead_of_reference(name: &str, ty: &str) -> String {
    let Some((before, after)) = ty.split_once('&') else { return ty.to_owned() };
    let Some((lifetime, rest)) = after.split_once("str") else { return ty.to_owned() };
    match lifetime.trim() {
        "" | "'static" => format!("write `{name}: {before}String{rest}`"),
        lifetime => {
            format!(
                "write `#[serde(borrow)] {name}: {before}Cow<{lifetime}, str>{rest}`, or `String`"
            )
        }
    }
}
