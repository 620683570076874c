//! The implementation of `Contract` and its registration.

use event_names::Kind;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{DeriveInput, Path};

use super::check::Names;
use super::model::{ContractType, make_static, plain_name};
use crate::tokens::{root_at, text_of};

pub(crate) fn contract(
    contract: &ContractType<'_>,
    names: &Names,
    key: Option<&Ident>,
    root: &Path,
) -> TokenStream {
    let name = contract.name();
    let type_name = name.to_string();
    let topic = names.topic.expression(Kind::Topic, root);
    let event = names.name.expression(Kind::Event, root);
    let judged = [(&names.topic, Kind::Topic), (&names.name, Kind::Event)]
        .into_iter()
        .filter(|(value, _)| value.is_const())
        .map(|(value, kind)| {
            let no_contract = quote!(::core::option::Option::None);
            value.judged(kind, true, &no_contract, &type_name, root)
        });

    let (generics, arguments, bounds) = contract.input.generics.split_for_impl();
    let static_arguments = make_static(arguments.to_token_stream(), contract.input);
    let fields = contract.fields.iter().flatten().map(|field| {
        let (name, ty) = (plain_name(field), text_of(field.ty.to_token_stream()));
        quote!(#root::event::ContractField { name: #name, type_name: #ty })
    });
    let (key_name, key_value) = match key {
        Some(field) => {
            let plain = field.to_string();
            let plain = plain.trim_start_matches("r#");
            let root = root_at(root, field.span());
            let call = quote_spanned!(field.span()=>
                #root::event::RecordKey::record_key(&self.#field));
            (quote!(::core::option::Option::Some(#plain)), call)
        }
        None => (quote!(::core::option::Option::None), quote!(::core::option::Option::None)),
    };
    let object = contract.fields.is_some();
    let empty = contract.fields.as_ref().is_some_and(Vec::is_empty);
    let (shape, description) = (contract.shape(), contract.description());
    let line = quote_spanned!(name.span()=> ::core::line!());
    let file = quote_spanned!(name.span()=> ::core::file!());
    quote! {
        const _: () = {
            const __TOPIC: &'static str = #topic;
            const __EVENT: &'static str = #event;
            #(#judged)*

            impl #generics #root::event::Contract for #name #arguments #bounds {
                const INFO: &'static #root::event::ContractInfo = &#root::event::ContractInfo {
                    topic: __TOPIC,
                    name: __EVENT,
                    version: 1,
                    type_name: #type_name,
                    key: #key_name,
                    fields: &[#(#fields),*],
                    object: #object,
                    empty: #empty,
                    shape: #shape,
                    description: #description,
                    file: #file,
                    line: #line,
                    module: ::core::module_path!(),
                };

                fn key(&self) -> ::core::option::Option<::std::borrow::Cow<'_, str>> {
                    #key_value
                }
            }

            #root::macro_support::inventory::submit! {
                #root::event::ContractRegistration(
                    <#name #static_arguments as #root::event::Contract>::INFO
                )
            }
        };
    }
}

/// The implementation for a type whose attribute is wrong.
pub(crate) fn stand_in(input: &DeriveInput, root: &Path) -> TokenStream {
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        impl #generics #root::event::Contract for #name #arguments #bounds {
            const INFO: &'static #root::event::ContractInfo = #root::macro_support::BROKEN_CONTRACT;

            fn key(&self) -> ::core::option::Option<::std::borrow::Cow<'_, str>> {
                ::core::option::Option::None
            }
        }
    }
}
