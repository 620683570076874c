//! The implementation of `Contract` and its registration.

use event_names::Kind;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{DeriveInput, Path, parse_quote};

use super::contract_rules::{Evolution, Key, Names};
use super::headers::FieldHeader;
use super::model::{ContractType, make_static, plain_name};
use super::shape::shape;
use super::wire::{WireField, WireType};
use crate::arguments::AttributeArgs;
use crate::names::{NameValue, Rule};
use crate::quiet::quiet;
use crate::tokens::{ends, local, own_self, text_of};

/// What was read of the attribute.
pub(crate) struct Parts {
    pub(crate) names: Names,
    pub(crate) key: Option<Key>,
    pub(crate) headers: Vec<FieldHeader>,
    pub(crate) evolution: Evolution,
}

pub(crate) fn contract(contract: &ContractType<'_>, parts: &Parts, root: &Path) -> TokenStream {
    let name = contract.name();
    let type_name = name.unraw().to_string();
    let (generics, arguments, bounds) = contract.input.generics.split_for_impl();
    let static_arguments = make_static(arguments.to_token_stream(), contract.input);
    let names = names(&parts.names, &type_name);
    let older = older(parts, &quote!(#name #static_arguments), contract.input);
    let info = info(contract, parts, &type_name);
    let older_type = match &parts.evolution.upcasts {
        Some(ty) => quote!(__event::Upcast<#ty>),
        None => quote!(__event::NoOlder),
    };
    let key = key(parts.key.as_ref());
    let headers = headers(&parts.headers);
    let quiet = quiet();
    quote! {
        #quiet
        const _: () = {
            use #root::macro_support as __event;
            #names

            impl #generics __event::Contract for #name #arguments #bounds {
                const INFO: &'static __event::ContractInfo = &#info;

                type Older = #older_type;

                type Static = #name #static_arguments;

                fn key(&self) -> ::core::option::Option<__event::Cow<'_, str>> {
                    #key
                }
                #headers
            }

            #older
            __event::inventory::submit! {
                {
                    use __event::OnlySent;
                    // Used in any case, so that the lint on imports has nothing to say.
                    const _: ::core::option::Option<__event::DataCheck> =
                        <__event::Checked<#name #static_arguments> as OnlySent>::DATA;
                    __event::ContractRegistration(
                        <#name #static_arguments as __event::Contract>::INFO,
                        <__event::Checked<#name #static_arguments>>::DATA,
                    )
                }
            }
        };
    }
}

fn names(names: &Names, type_name: &str) -> TokenStream {
    let topic = names.topic.expression(Kind::Topic);
    let event = names.name.expression(Kind::Event);
    let foreign = if names.rule == Rule::Foreign { "foreign_" } else { "" };
    let validated = [
        (&names.topic, "topic", quote!(__TOPIC), quote!(__NAME)),
        (&names.name, "event", quote!(__NAME), quote!(__TOPIC)),
    ]
    .into_iter()
    .filter(|(value, ..)| value.is_const())
    .map(|(value, noun, own, other)| {
        let validate = format!("validate_{foreign}{noun}");
        value.validated(&validate, &own, &other, &quote!(&[]), type_name)
    });
    quote! {
        const __TOPIC: &str = #topic;
        const __NAME: &str = #event;
        #(#validated)*
    }
}

// Said by the attribute, or by the closed lists of the names.
fn foreign_names(names: &Names) -> TokenStream {
    let lists = [(&names.topic, Kind::Topic), (&names.name, Kind::Event)];
    let lists: Vec<_> =
        lists.into_iter().filter_map(|(name, kind)| name.is_of_foreign_list(kind)).collect();
    match names.rule {
        Rule::Convention if !lists.is_empty() => quote!(#(#lists)||*),
        rule => (rule == Rule::Foreign).to_token_stream(),
    }
}

/// What only the compiler can validate of names that stand beside other mistakes.
pub(crate) fn validated_alone(names: &Names, args: &AttributeArgs) -> Option<TokenStream> {
    let is_foreign = args.flag("foreign_names").is_some();
    let is_certain = args.means("foreign_names") == is_foreign;
    let validated = |value: &NameValue, kind: Kind, other| {
        let foreign = if is_foreign { "foreign_" } else { "" };
        let validate = is_certain.then(|| format!("validate_{foreign}{}", kind.noun()));
        value.validated_alone(kind, Some(other), validate.as_deref())
    };
    let topic = validated(&names.topic, Kind::Topic, &names.name);
    let name = validated(&names.name, Kind::Event, &names.topic);
    let root = args.root();
    (args.root_is_known() && (topic.is_some() || name.is_some())).then(|| {
        quote! {
            const _: () = {
                use #root::macro_support as __event;
                #topic
                #name
            };
        }
    })
}

// Each conversion is validated at the older contract's type, and only there: the new contract can be
// decoded in any case, so that its handlers are not reported as well.
fn older(parts: &Parts, own: &TokenStream, input: &DeriveInput) -> Option<TokenStream> {
    let ty = parts.evolution.upcasts.as_ref()?;
    let older = make_static(ty.to_token_stream(), input);
    let (first, last) = ends(&older);
    let validate = quote_spanned!(first=> __event::validate_upcast);
    let open = quote_spanned!(first=> <);
    let info = quote_spanned!(last=> #open #older as __event::Contract>::INFO);
    let validated = quote_spanned!(last=> #validate(#info, <#own as __event::Contract>::INFO));
    let upcast = quote_spanned!(first=> __event::upcast::<#ty, _>);
    let (envelope, version) = (local("envelope"), local("version"));
    let upcast = quote_spanned!(last=> #upcast(#envelope, #version));
    let lifetimes: Vec<_> = input.generics.lifetimes().map(|l| &l.lifetime).collect();
    let mut generics = input.generics.clone();
    generics.params.insert(0, parse_quote!('__de: #(#lifetimes)+*));
    let (generics, _, bounds) = generics.split_for_impl();
    let (name, (_, arguments, _)) = (&input.ident, input.generics.split_for_impl());
    Some(quote! {
        const _: () = #validated;

        impl #generics __event::ReadOlder<'__de, #name #arguments> for __event::Upcast<#ty>
        #bounds
        {
            const UP_TO: u32 =
                __event::upcast_up_to(<#own as __event::Contract>::INFO);

            fn read_older(
                #envelope: &__event::Envelope<'__de>,
                #version: u32,
            ) -> ::core::option::Option<
                ::core::result::Result<#name #arguments, __event::EnvelopeError>,
            > {
                #upcast
            }
        }
    })
}

fn info(contract: &ContractType<'_>, parts: &Parts, type_name: &str) -> TokenStream {
    let name = contract.name();
    let wire = WireType::read(contract.input);
    let fields = contract.fields.iter().flatten().filter_map(|field| {
        let WireField { name: wire_name, required, .. } = wire.field(field)?;
        let (name, ty) = (plain_name(field), text_of(field.ty.to_token_stream()));
        Some(quote!(__event::ContractField {
            name: #name, wire_name: #wire_name, type_name: #ty, required: #required
        }))
    });
    let key = match &parts.key {
        None => quote!(__event::KeySource::None),
        Some(Key::Field(path)) => {
            let path = text_of(path.to_token_stream()).replace("r#", "");
            quote!(__event::KeySource::Field(#path))
        }
        Some(Key::Function(path)) => {
            let path = text_of(path.to_token_stream());
            quote!(__event::KeySource::Function(#path))
        }
    };
    let headers = parts.headers.iter().map(|header| &header.name);
    let version = parts.evolution.version;
    let older = match &parts.evolution.upcasts {
        Some(ty) => {
            let ty = make_static(ty.to_token_stream(), contract.input);
            quote!(::core::option::Option::Some(<#ty as __event::Contract>::INFO))
        }
        None => quote!(::core::option::Option::None),
    };
    let foreign_names = foreign_names(&parts.names);
    let object = contract.fields.is_some() && !wire.is_converted;
    let empty = object && contract.fields.as_ref().is_some_and(Vec::is_empty);
    let (shape, description) = (shape(contract.input, &wire), contract.description());
    let line = quote_spanned!(name.span()=> ::core::line!());
    let file = quote_spanned!(name.span()=> ::core::file!());
    quote! {
        __event::ContractInfo {
            topic: __TOPIC,
            name: __NAME,
            version: #version,
            type_name: #type_name,
            key: #key,
            headers: &[#(#headers),*],
            older: #older,
            foreign_names: #foreign_names,
            fields: &[#(#fields),*],
            object: #object,
            empty: #empty,
            shape: #shape,
            description: #description,
            file: #file,
            line: #line,
            module: ::core::module_path!(),
        }
    }
}

fn key(key: Option<&Key>) -> TokenStream {
    match key {
        None => quote!(::core::option::Option::None),
        Some(Key::Field(path)) => {
            let (first, last) = ends(path);
            let call = quote_spanned!(first=> __event::RecordKey::record_key);
            let (own, bind) = own_self(last);
            let call = quote_spanned!(last=> #call(&#own.#path));
            quote!(#bind #call)
        }
        Some(Key::Function(path)) => {
            let (first, last) = ends(path);
            let call = quote_spanned!(first=> __event::owned_key);
            let (own, bind) = own_self(last);
            let call = quote_spanned!(last=> #call(#path(#own)));
            quote!(#bind #call)
        }
    }
}

fn headers(headers: &[FieldHeader]) -> Option<TokenStream> {
    let added = headers.iter().map(|FieldHeader { name, field, .. }| {
        let add = quote_spanned!(field.span()=> __event::add_header);
        let (own, bind) = own_self(field.span());
        let value = quote_spanned!(field.span()=> &#own.#field);
        quote!(#bind #add(headers, #name, #value);)
    });
    (!headers.is_empty()).then(|| {
        quote! {
            fn headers(&self, headers: &mut __event::Headers) {
                #(#added)*
            }
        }
    })
}

/// The implementation for a type whose attribute is wrong.
pub(crate) fn stand_in(input: &DeriveInput, root: &Path) -> TokenStream {
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let static_arguments = make_static(arguments.to_token_stream(), input);
    quote! {
        impl #generics #root::event::Contract for #name #arguments #bounds {
            const INFO: &'static #root::event::ContractInfo = #root::macro_support::BROKEN_CONTRACT;

            type Older = #root::event::NoOlder;

            type Static = #name #static_arguments;

            fn key(&self) -> ::core::option::Option<#root::macro_support::Cow<'_, str>> {
                ::core::option::Option::None
            }
        }
    }
}
