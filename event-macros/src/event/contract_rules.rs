//! The rules of a contract.

use event_names::Kind;
use proc_macro2::Ident;
use quote::{ToTokens, quote};
use syn::{Expr, ExprPath, Lit, Type};

use super::model::{ContractType, plain_name};
use crate::arguments::{AttributeArgs, nearest};
use crate::diagnostics::Diagnostics;
use crate::names::{NameValue, Rule, validate_pair};
use crate::tokens::text_of;

/// The two names of a contract.
pub(crate) struct Names {
    pub(crate) topic: NameValue,
    pub(crate) name: NameValue,
    pub(crate) rule: Rule,
}

/// Validates the names; both must be there.
pub(crate) fn names(
    args: &AttributeArgs,
    type_name: &Ident,
    diagnostics: &mut Diagnostics,
) -> Option<Names> {
    let rule = if args.means("foreign_names") { Rule::Foreign } else { Rule::Convention };
    missing_names(args, type_name, diagnostics);
    let mut read = |kind, key| {
        args.value(key).and_then(|value| NameValue::read(kind, key, value, diagnostics))
    };
    let (topic, name) = (read(Kind::Topic, "topic"), read(Kind::Event, "name"));
    validate_pair(topic.as_ref(), ("name", name.as_ref()), rule, diagnostics);
    Some(Names { topic: topic?, name: name?, rule })
}

fn missing_names(args: &AttributeArgs, type_name: &Ident, diagnostics: &mut Diagnostics) {
    let meant_event = event_names::suggestion(Kind::Event, &type_name.to_string());
    let missing: Vec<_> = [("topic", "role_events"), ("name", meant_event.as_str())]
        .into_iter()
        .filter(|(key, _)| args.lacks(key))
        .collect();
    if missing.is_empty() {
        return;
    }
    let keys: Vec<_> = missing.iter().map(|(key, _)| *key).collect();
    let pairs: Vec<_> = missing.iter().map(|(key, name)| format!("{key} = \"{name}\"")).collect();
    let what = format!("contract `{type_name}` does not say its {}", keys.join(" and "));
    let rest = if missing.len() == 1 { ", .." } else { "" };
    diagnostics.add(type_name, what, format!("write `#[event({}{rest})]`", pairs.join(", ")));
}

/// Where the record key comes from.
pub(crate) enum Key {
    /// A field, or a field of a field.
    Field(Expr),
    /// A function that takes the contract.
    Function(ExprPath),
}

/// Validates the key: a field, a path of fields, or the path of a function.
pub(crate) fn key(
    args: &AttributeArgs,
    contract: &ContractType<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Key> {
    let value = args.value("key")?;
    if let Expr::Path(path) = value
        && path.path.segments.len() > 1
    {
        return Some(Key::Function(path.clone()));
    }
    let type_name = contract.name();
    if contract.fields.is_none() {
        let what = format!("contract `{type_name}` is an enum, which has no field to be the key");
        let help = format!(
            "remove `key = {}`, or write the path of a function that takes it, `key = Self::record_key`",
            text_of(value.to_token_stream())
        );
        diagnostics.add(value, what, help);
        return None;
    }
    if first_field(value).is_some_and(|first| contract.has_field(first)) {
        return Some(Key::Field(value.clone()));
    }
    if let Expr::Call(call) = value {
        let what = format!(
            "`{}` is a call, but a key is a field or the path of a function",
            text_of(value.to_token_stream())
        );
        let path = text_of(call.func.to_token_stream());
        let path = if path.contains("::") { path } else { format!("Self::{path}") };
        diagnostics.add(value, what, format!("write `key = {path}`"));
        return None;
    }
    let fields: Vec<_> = contract.fields.iter().flatten().map(|f| plain_name(f)).collect();
    let written = text_of(value.to_token_stream());
    let word = written.trim_matches('"');
    let what = format!("`{written}` is not a field of contract `{type_name}`");
    let help = match nearest(word, fields.iter().map(String::as_str)) {
        Some(field) => format!("write `key = {field}`"),
        None if fields.is_empty() => format!("remove `key = {written}`, it has no fields"),
        None => format!(
            "the fields are `{}`; a function is written as `key = Self::{}`",
            fields.join("`, `"),
            if syn::parse_str::<Ident>(word).is_ok() { word } else { "record_key" }
        ),
    };
    diagnostics.add(value, what, help);
    None
}

// `role` of `role.owner.id`.
fn first_field(value: &Expr) -> Option<&Ident> {
    match value {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Field(field) => first_field(&field.base),
        _ => None,
    }
}

/// The version of a contract and what it converts.
pub(crate) struct Evolution {
    pub(crate) version: u32,
    pub(crate) upcasts: Option<Type>,
}

/// Validates `version = 2, upcasts(ClaimAddedV1)`.
pub(crate) fn evolution(
    args: &AttributeArgs,
    type_name: &Ident,
    diagnostics: &mut Diagnostics,
) -> Evolution {
    let version = args.value("version").and_then(|value| version(value, diagnostics));
    let mut types = args.types("upcasts", diagnostics).unwrap_or_default();
    if let [first, others @ ..] = &types[..]
        && !others.is_empty()
    {
        let what =
            format!("contract `{type_name}` upcasts several, but a version has one before it");
        let others = quote!(#(#others),*);
        let help = format!(
            "remove `{}`, or `{}` if that is older",
            text_of(others.clone()),
            text_of(first.to_token_stream())
        );
        diagnostics.add(others, what, help);
    }
    types.truncate(1);
    let upcasts = types.pop().filter(|older| is_another(older, type_name, diagnostics));
    if let Some(older) = &upcasts
        && args.lacks("version")
    {
        let older = text_of(older.to_token_stream());
        let what =
            format!("contract `{type_name}` upcasts `{older}`, but does not say its version");
        diagnostics.add(&upcasts, what, format!("write `version = 2, upcasts({older})`"));
    }
    Evolution { version: version.unwrap_or(1), upcasts }
}

// Whether what is upcast is not the contract itself.
fn is_another(older: &Type, type_name: &Ident, diagnostics: &mut Diagnostics) -> bool {
    let Type::Path(path) = older else { return true };
    let [segment] = &path.path.segments.iter().collect::<Vec<_>>()[..] else { return true };
    if path.qself.is_some() || segment.ident != *type_name && segment.ident != "Self" {
        return true;
    }
    let what = format!("contract `{type_name}` upcasts itself, but a version has one before it");
    let help = format!(
        "remove `upcasts({})`, or write the type of the version before",
        text_of(older.to_token_stream())
    );
    diagnostics.add(older, what, help);
    false
}

fn version(value: &Expr, diagnostics: &mut Diagnostics) -> Option<u32> {
    let written = text_of(value.to_token_stream());
    let number = match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse::<u32>().ok(),
            _ => None,
        },
        _ => None,
    };
    if let Some(number) = number.filter(|number| *number > 0) {
        return Some(number);
    }
    let meant = written.trim_matches('"').trim_start_matches('v').parse::<u32>();
    let meant = meant.ok().filter(|number| *number > 0).unwrap_or(1);
    let what = format!("version `{written}` is not an integer from 1 to {}", u32::MAX);
    diagnostics.add(value, what, format!("write `version = {meant}`"));
    None
}
