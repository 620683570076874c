//! Fields that borrow from the record: text is a `Cow` that serde lets borrow.

use quote::ToTokens;
use syn::{Attribute, Data, Field, GenericArgument, PathArguments, Type, TypeReference};

use super::model::{ContractType, plain_name};
use crate::diagnostics::Diagnostics;
use crate::tokens::{find_word, text_of};

/// Validates the fields that borrow, those of an enum's variants included.
pub(crate) fn fields(contract: &ContractType<'_>, diagnostics: &mut Diagnostics) {
    for field in contract.fields.iter().flatten() {
        let name = plain_name(field);
        borrowing_field(field, &[], &format!("field `{name}`"), diagnostics);
    }
    let Data::Enum(data) = &contract.input.data else { return };
    for variant in &data.variants {
        for (index, field) in variant.fields.iter().enumerate() {
            let name = field.ident.as_ref().map_or(index.to_string(), |_| plain_name(field));
            let subject = format!("field `{name}` of `{}`", variant.ident);
            borrowing_field(field, &variant.attrs, &subject, diagnostics);
        }
    }
}

fn borrowing_field(
    field: &Field,
    around: &[Attribute],
    subject: &str,
    diagnostics: &mut Diagnostics,
) {
    let says = |words: &[&str]| serde_says(&field.attrs, words) || serde_says(around, words);
    // Code of the user's own decodes it then, or nothing does.
    if says(&["deserialize_with", "with", "skip", "skip_deserializing"]) {
        return;
    }
    let references = text_references(&field.ty);
    if let Some(first) = references.first() {
        let what = format!(
            "{subject} is `{}`, which cannot hold a text that JSON writes with an escape",
            text_of(field.ty.to_token_stream())
        );
        diagnostics.add(first, what, instead_of_references(field, &references));
    } else if is_borrowing_cow(field) && !says(&["borrow"]) {
        let what = format!("{subject} is a `Cow` that never borrows: serde copies it");
        let name = field.ident.as_ref().map(|_| plain_name(field));
        let place = name.map_or("before it".to_owned(), |name| format!("above `{name}`"));
        diagnostics.add(&field.ty, what, format!("write `#[serde(borrow)]` {place}"));
    }
}

fn serde_says(attributes: &[Attribute], words: &[&str]) -> bool {
    attributes.iter().filter(|a| a.path().is_ident("serde")).any(|attribute| {
        let tokens = attribute.meta.to_token_stream();
        words.iter().any(|word| find_word(tokens.clone(), word).is_some())
    })
}

// Each `&'a str` in a type, at any depth.
fn text_references(ty: &Type) -> Vec<&TypeReference> {
    match ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => vec![reference],
            _ => Vec::new(),
        },
        Type::Path(path) => match path.path.segments.last() {
            // Nothing is decoded into it.
            Some(last) if last.ident != "PhantomData" => {
                inner_types(&last.arguments).flat_map(text_references).collect()
            }
            _ => Vec::new(),
        },
        Type::Tuple(tuple) => tuple.elems.iter().flat_map(text_references).collect(),
        Type::Array(array) => text_references(&array.elem),
        Type::Slice(slice) => text_references(&slice.elem),
        Type::Paren(paren) => text_references(&paren.elem),
        Type::Group(group) => text_references(&group.elem),
        _ => Vec::new(),
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

// What to write in place of `&'a str`: owned text, or a `Cow` where serde can borrow one, which is
// only when it is the whole field.
fn instead_of_references(field: &Field, references: &[&TypeReference]) -> String {
    let name = match &field.ident {
        Some(_) => format!("{}: ", plain_name(field)),
        None => String::new(),
    };
    let ty = text_of(field.ty.to_token_stream());
    if let (Type::Reference(whole), [_]) = (&field.ty, references)
        && let Some(lifetime) = whole.lifetime.as_ref().filter(|l| l.ident != "static")
    {
        return format!(
            "write `#[serde(borrow)] {name}std::borrow::Cow<{lifetime}, str>`, or `String`"
        );
    }
    let owned = references
        .iter()
        .fold(ty, |ty, reference| ty.replace(&text_of(reference.to_token_stream()), "String"));
    format!("write `{name}{owned}`")
}
