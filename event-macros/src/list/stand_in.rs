//! What stands for a list that is wrong, so that only its own mistakes are reported.

use event_names::{Kind, check, check_foreign, meant, suggestion};
use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Expr, Fields, Lit, Meta, Variant};

use super::{List, Listed};
use crate::names::Rule;
use crate::tokens::find_word;

// Numbers beyond it are nobody's.
const MAX_NUMBER: usize = 1024;

/// The list with the names that were probably meant; nothing for what cannot be a list at all.
pub(super) fn list(kind: Kind, rule: Rule, input: &DeriveInput) -> Option<List<'_>> {
    let Data::Enum(data) = &input.data else { return None };
    if !input.generics.params.is_empty() {
        return None;
    }
    // A variant is found by its number, which may be written here.
    let mut names = Vec::<String>::new();
    let mut variants = Vec::new();
    let mut number = 0;
    for variant in &data.variants {
        let name = probable_name(kind, rule, variant);
        number = written_number(variant).unwrap_or(number);
        if number <= MAX_NUMBER {
            names.resize(names.len().max(number + 1), String::new());
            names[number].clone_from(&name);
        }
        number += 1;
        let is_unit = matches!(variant.fields, Fields::Unit);
        variants.push(Listed { ident: &variant.ident, name, rule, is_unit });
    }
    Some(List { names, ..List::of(kind, input, variants) })
}

fn written_number(variant: &Variant) -> Option<usize> {
    match &variant.discriminant {
        Some((_, Expr::Lit(literal))) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

// The text in its attribute, whatever is wrong with it, or else the variant's word.
fn probable_name(kind: Kind, rule: Rule, variant: &Variant) -> String {
    let attributes = variant.attrs.iter().filter(|a| a.path().is_ident(kind.noun()));
    let tokens: TokenStream = attributes
        .filter_map(|attribute| match &attribute.meta {
            Meta::List(list) => Some(list.tokens.clone()),
            _ => None,
        })
        .collect();
    let Some(text) = text_in(tokens.clone()) else {
        return suggestion(kind, &variant.ident.unraw().to_string()).as_str().to_owned();
    };
    let is_foreign = rule == Rule::Foreign || find_word(tokens, "foreign_names").is_some();
    let validate = if is_foreign { check_foreign } else { check };
    match validate(kind, &text) {
        Ok(()) => text,
        Err(violation) => meant(kind, &text, violation).as_str().to_owned(),
    }
}

fn text_in(tokens: TokenStream) -> Option<String> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Literal(literal) => match Lit::new(literal) {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}
