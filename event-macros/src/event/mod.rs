//! `#[derive(Event)]`: makes a type the contract of an event.

mod borrowing;
mod contract_rules;
mod expand;
mod headers;
mod model;
mod shape;
mod event_sum;
mod wire;

pub(crate) use event_sum::derive_event_sum;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::arguments::{Arguments, AttributeArgs, Keys};
use crate::diagnostics::Diagnostics;
use crate::record;
use crate::tokens::see_through;

const KEYS: Keys = Keys {
    attribute: "#[event]",
    known: &[
        ("topic", "\"role_events\""),
        ("name", "\"CLAIM_ADDED\""),
        ("key", "role_id"),
        ("version", "2"),
    ],
    flags: &["foreign_names"],
    lists: &[("upcasts", "ClaimAddedV1"), ("headers", "tenant")],
};

/// The implementation of `Contract` and its registration, or what is wrong.
pub(crate) fn derive_event(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(see_through(item)) {
        Ok(input) => input,
        Err(error) => return syn::Error::to_compile_error(&error),
    };
    let mut diagnostics = Diagnostics::default();
    let arguments = Arguments::of_attributes("event", &input.attrs);
    let args = AttributeArgs::parse(arguments, &KEYS, &mut diagnostics);
    let contract = model::ContractType::read(&input, &mut diagnostics);
    let names = contract_rules::names(&args, &input.ident, &mut diagnostics);
    let evolution = contract_rules::evolution(&args, &input.ident, &mut diagnostics);
    let Some(contract) = contract else { return broken(&input, &args, diagnostics) };
    let key = contract_rules::key(&args, &contract, &mut diagnostics);
    let headers = headers::headers(&args, &contract, &mut diagnostics);
    borrowing::fields(&contract, &mut diagnostics);
    match names {
        Some(names) if diagnostics.is_empty() => {
            let parts = expand::Parts { names, key, headers, evolution };
            let mut output = expand::contract(&contract, &parts, &args.root());
            output.extend(record::note_registering(&args.root()));
            output
        }
        names => {
            let mut output = broken(&input, &args, diagnostics);
            output.extend(names.and_then(|names| expand::validated_alone(&names, &args)));
            output
        }
    }
}

// The mistakes, and a stand-in for the contract, so that its handlers are not reported as well.
fn broken(input: &DeriveInput, args: &AttributeArgs, diagnostics: Diagnostics) -> TokenStream {
    let errors = diagnostics.into_compile_errors();
    let stand_in = expand::stand_in(input, &args.root());
    quote!(#errors #stand_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(item: TokenStream) -> usize {
        let expanded = derive_event(item).to_string();
        let errors = expanded.matches("compile_error").count();
        assert_eq!(errors == 0, expanded.contains("ContractRegistration"), "{expanded}");
        errors
    }

    fn with_fields(fields: TokenStream) -> usize {
        errors(quote!(#[event(topic = "a", name = "A")] struct A<'a> { #fields }))
    }

    #[test]
    fn borrowed_text_is_a_cow_that_borrows() {
        assert_eq!(with_fields(quote!(#[serde(borrow)] a: Cow<'a, str>)), 0);
        assert_eq!(with_fields(quote!(#[serde(rename = "b", borrow = "'a")] a: Cow<'a, str>)), 0);
        assert_eq!(with_fields(quote!(a: Cow<'static, str>)), 0);
        assert_eq!(with_fields(quote!(#[serde(deserialize_with = "f")] a: &'a str)), 0);
        assert_eq!(with_fields(quote!(a: Cow<'a, str>)), 1);
        assert_eq!(with_fields(quote!(#[serde(rename = "borrow")] a: Cow<'a, str>)), 1);
        assert_eq!(with_fields(quote!(#[serde(borrow)] a: &'a str)), 1);
        assert_eq!(with_fields(quote!(#[serde(borrow)] a: Option<&'a str>)), 1);
        assert_eq!(with_fields(quote!(#[serde(borrow)] a: Option<Vec<(&'a str, i64)>>)), 1);
        assert_eq!(with_fields(quote!(#[serde(skip)] a: Vec<&'a str>)), 0);
        assert_eq!(with_fields(quote!(a: PhantomData<&'a str>)), 0);
    }

    #[test]
    fn variants_borrow_by_the_rules_of_fields() {
        let with_variant = |variant: TokenStream| {
            errors(quote!(#[event(topic = "a", name = "A")] enum A<'a> { #variant }))
        };
        assert_eq!(with_variant(quote!(B(&'a str, [&'a str; 2]))), 2);
        assert_eq!(with_variant(quote!(B { b: Vec<&'a str> })), 1);
        assert_eq!(with_variant(quote!(B(Cow<'a, str>))), 1);
        assert_eq!(with_variant(quote!(B(#[serde(borrow)] Cow<'a, str>))), 0);
        assert_eq!(with_variant(quote!(#[serde(borrow)] B(Cow<'a, str>))), 0);
        assert_eq!(with_variant(quote!(#[serde(skip)] B(&'a str))), 0);
    }

    #[test]
    fn one_mistake_is_one_error() {
        for item in [
            quote!(
                struct A {}
            ),
            quote!(
                #[event(topic = "a")]
                struct A {}
            ),
            quote!(
                #[event(topic = "a", name = "A")]
                struct A;
            ),
            quote!(
                #[event(topic = "a", name = "A")]
                struct A(i64);
            ),
            quote!(
                #[event(topic = "a", name = "A")]
                struct A<T> {
                    a: T,
                }
            ),
            quote!(
                #[event(topic = "a", name = "A", key = b)]
                struct A {
                    a: i64,
                }
            ),
            quote!(
                #[event(topic = "a", name = "A", key = "a")]
                struct A {
                    a: i64,
                }
            ),
            quote!(
                #[event(topic = "a", name = "A", key = a)]
                enum A {
                    B { a: i64 },
                }
            ),
            quote!(
                #[event(topic = "A", name = "a")]
                struct A {}
            ),
            quote!(
                #[event(topic = "a", name = "a")]
                struct A {}
            ),
            quote!(
                #[event(topic = "a", nam = "A")]
                struct A {}
            ),
            quote!(
                #[event = "a"]
                struct A {}
            ),
            quote!(#[event(topic = "a", name = "A")] union A { a: i64 }),
        ] {
            assert_eq!(errors(item.clone()), 1, "{item}");
        }
    }

    #[test]
    fn a_registered_contract_is_static() {
        let item = quote!(
            #[event(topic = "a", name = "A")]
            struct A<'x> {
                a: Vec<B<'x>>,
            }
        );
        let expanded = derive_event(item).to_string();
        assert!(expanded.contains("< A < 'static > as __event :: Contract > :: INFO"));
    }
}
