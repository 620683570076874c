//! The implementation of `Contract` and its registration.

use event_names::Kind;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Path;

use super::check::Names;
use super::model::{ContractType, make_static, plain_name};
use crate::tokens::text_of;
use quote::ToTokens;

pub(crate) fn contract(
    contract: &ContractType<'_>,
    names: &Names,
    key: Option<&Ident>,
    root: &Path,
) -> TokenStream {
    let name = contract.name();
    let type_name = name.to_string();
    let (topic_const, event_const) = (format_ident!("__TOPIC"), format_ident!("__NAME"));
    let declared = [
        names.topic.constant(Kind::Topic, &topic_const, root),
        names.name.constant(Kind::Event, &event_const, root),
    ];
    let judged = [
        (&names.topic, names.topic.judgement(Kind::Topic, &topic_const, root)),
        (&names.name, names.name.judgement(Kind::Event, &event_const, root)),
    ]
    .map(|(value, judged)| quote_spanned!(value.span()=> const _: &'static str = #judged;));

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
            #(#declared)*
            #(#judged)*

            impl #generics #root::event::Contract for #name #arguments #bounds {
                const INFO: &'static #root::event::ContractInfo = &#root::event::ContractInfo {
                    topic: __TOPIC,
                    name: __NAME,
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
