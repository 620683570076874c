//! A list of types among the arguments of an attribute: `emits(RoleGiven)`.

use proc_macro2::{Group, Ident};
use quote::quote;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{LitStr, Token, Type};

use super::AttributeArgs;
use crate::diagnostics::Diagnostics;

impl AttributeArgs {
    /// The types that `key(..)` lists.
    pub(crate) fn types(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Vec<Type>> {
        let (key, list) = self.list(key)?;
        let what = format!("`{key}` lists contracts by their types");
        let listed = match Punctuated::<Listed, Token![,]>::parse_terminated.parse2(list.stream()) {
            Ok(listed) => listed,
            Err(error) => {
                diagnostics.add_at(error.span(), what, format!("write `{key}(ClaimAdded)`"));
                return None;
            }
        };
        if listed.is_empty() {
            lists_nothing(key, list, diagnostics);
            return None;
        }
        let (mut types, mut has_text) = (Vec::new(), false);
        for listed in listed {
            match listed {
                Listed::Type(ty) => types.push(*ty),
                Listed::Text(text) => {
                    let help = format!("write `{}`", upper_camel(&text.value()));
                    diagnostics.add(text, &what, help);
                    has_text = true;
                }
            }
        }
        (!has_text).then_some(types)
    }
}

/// What stands where a type belongs.
enum Listed {
    Type(Box<Type>),
    Text(LitStr),
}

impl Parse for Listed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            input.parse().map(Listed::Text)
        } else {
            input.parse().map(Box::new).map(Listed::Type)
        }
    }
}

/// Complains about `key()`.
pub(crate) fn lists_nothing(key: &Ident, list: &Group, diagnostics: &mut Diagnostics) {
    let what = format!("`{key}` lists nothing");
    diagnostics.add(quote!(#key #list), what, format!("remove `{key}()`"));
}

// The type that an event is probably called by: `ClaimAdded` of `CLAIM_ADDED`.
fn upper_camel(name: &str) -> String {
    let has_small = name.contains(char::is_lowercase);
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let camel = words.map(|word| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        let rest = if has_small { rest.to_owned() } else { rest.to_lowercase() };
        format!("{}{rest}", first.to_uppercase())
    });
    let camel: String = camel.collect();
    if syn::parse_str::<Ident>(&camel).is_ok() { camel } else { "ClaimAdded".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_the_type_of_its_words() {
        assert_eq!(upper_camel("CLAIM_ADDED"), "ClaimAdded");
        assert_eq!(upper_camel("claim.added-v2"), "ClaimAddedV2");
        assert_eq!(upper_camel("ClaimAdded"), "ClaimAdded");
        assert_eq!(upper_camel("5"), "ClaimAdded");
    }
}
