//! `#[derive(Event)]`: makes a type the contract of an event.

mod check;
mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::arguments::{Arguments, Given, Keys};
use crate::complaints::Complaints;

const KEYS: Keys = Keys {
    attribute: "#[event]",
    known: &[("topic", "\"role_events\""), ("name", "\"CLAIM_ADDED\""), ("key", "role_id")],
};

/// The implementation of `Contract` and its registration, or what is wrong.
pub(crate) fn derive_event(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return syn::Error::to_compile_error(&error),
    };
    let mut complaints = Complaints::default();
    let arguments = Arguments::of_attributes("event", &input.attrs);
    let given = Given::judge(arguments, &KEYS, &mut complaints);
    let contract = model::ContractType::read(&input, &mut complaints);
    let names = check::names(&given, &input.ident, &mut complaints);
    let Some(contract) = contract else { return complaints.into_compile_errors() };
    let key = check::key(&given, &contract, &mut complaints);
    check::fields(&contract, &mut complaints);
    match names {
        Some(names) if complaints.is_empty() => {
            expand::contract(&contract, &names, key.as_ref(), &given.root())
        }
        _ => complaints.into_compile_errors(),
    }
}
