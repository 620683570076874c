//! `#[derive(EventSum)]`: an enum of contracts on one topic, which one handler takes.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Data, DeriveInput, Fields, GenericArgument, GenericParam, Lifetime, Path, PathArguments, Type,
};

use super::model::make_static;
use crate::arguments::{Arguments, AttributeArgs, Keys};
use crate::diagnostics::Diagnostics;
use crate::quiet::quiet;
use crate::record;
use crate::tokens::{ends, moved, see_through, text_of};

const KEYS: Keys = Keys { attribute: "#[event]", known: &[], flags: &[], lists: &[] };

struct Variant<'i> {
    name: &'i Ident,
    contract: &'i Type,
    /// Whether it holds the contract in a `Box`, as a large one may.
    is_boxed: bool,
}

impl Variant<'_> {
    // The function that makes the variant of its contract.
    fn make(&self) -> TokenStream {
        let name = self.name;
        if self.is_boxed {
            quote!(|event| Self::#name(__event::Box::new(event)))
        } else {
            quote!(Self::#name)
        }
    }

    // The variant that holds the contract `event`.
    fn of_event(&self) -> TokenStream {
        let name = self.name;
        let event = if self.is_boxed { quote!(__event::Box::new(event)) } else { quote!(event) };
        quote!(Self::#name(#event))
    }
}

/// The implementation of `Payload`, or what is wrong.
pub(crate) fn derive_event_sum(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(see_through(item)) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut diagnostics = Diagnostics::default();
    let arguments = Arguments::of_attributes("event", &input.attrs);
    let root = AttributeArgs::parse(arguments, &KEYS, &mut diagnostics).root();
    let lifetime = lifetime(&input, &mut diagnostics);
    let variants = variants(&input, &mut diagnostics);
    if diagnostics.is_empty() {
        let mut output = expand(&input, &variants, lifetime, &root);
        output.extend(record::note(&root));
        return output;
    }
    let errors = diagnostics.into_compile_errors();
    let stand_in = stand_in(&input, lifetime, &root);
    quote!(#errors #stand_in)
}

// What the payload borrows, it borrows from the record alone.
fn lifetime<'i>(input: &'i DeriveInput, diagnostics: &mut Diagnostics) -> Option<&'i Lifetime> {
    let name = &input.ident;
    let mut lifetime = None;
    for param in &input.generics.params {
        let (ident, help) = match param {
            GenericParam::Lifetime(param) if lifetime.is_none() => {
                lifetime = Some(&param.lifetime);
                continue;
            }
            GenericParam::Lifetime(param) => {
                let what = format!(
                    "sum `{name}` has several lifetimes, but borrows from the record alone"
                );
                let first = lifetime.map(ToString::to_string).unwrap_or_default();
                diagnostics.add(
                    param,
                    what,
                    format!("write `{first}` in place of `{}`", param.lifetime),
                );
                continue;
            }
            GenericParam::Type(param) => (&param.ident, "type itself"),
            GenericParam::Const(param) => (&param.ident, "value itself"),
        };
        let what = format!("sum `{name}` is generic over `{ident}`, but lists certain events");
        diagnostics.add(param, what, format!("write the {help} in place of `{ident}`"));
    }
    lifetime
}

fn variants<'i>(input: &'i DeriveInput, diagnostics: &mut Diagnostics) -> Vec<Variant<'i>> {
    let name = &input.ident;
    let help = format!("write `enum {name} {{ ClaimAdded(ClaimAdded) }}`");
    let keyword = match &input.data {
        Data::Enum(data) if data.variants.is_empty() => {
            diagnostics.add(name, format!("sum `{name}` has no event"), help);
            return Vec::new();
        }
        Data::Enum(data) => {
            let read = |variant: &'i syn::Variant| variant_of(name, variant, diagnostics);
            return data.variants.iter().filter_map(read).collect();
        }
        Data::Struct(data) => data.struct_token.to_token_stream(),
        Data::Union(data) => data.union_token.to_token_stream(),
    };
    diagnostics.add(keyword, format!("a sum of events is an enum, but `{name}` is not"), help);
    Vec::new()
}

fn variant_of<'i>(
    sum: &Ident,
    variant: &'i syn::Variant,
    diagnostics: &mut Diagnostics,
) -> Option<Variant<'i>> {
    let name = &variant.ident;
    if let Fields::Unnamed(fields) = &variant.fields
        && fields.unnamed.len() == 1
    {
        let ty = &fields.unnamed.first()?.ty;
        let boxed = in_box(ty);
        return Some(Variant { name, contract: boxed.unwrap_or(ty), is_boxed: boxed.is_some() });
    }
    let what = format!("variant `{name}` of sum `{sum}` does not hold one contract");
    diagnostics.add(variant, what, format!("write `{name}({name})`"));
    None
}

fn in_box(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Box")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

fn expand(
    input: &DeriveInput,
    variants: &[Variant<'_>],
    lifetime: Option<&Lifetime>,
    root: &Path,
) -> TokenStream {
    let name = &input.ident;
    let shown = name.to_string();
    let (generics, arguments, bounds) = header(input, lifetime);
    let from = lifetime.map_or_else(|| quote!('de), ToTokens::to_token_stream);
    // Each mention of a contract has this one form, so that the compiler reports it once.
    let payload = |ty: &TokenStream, member: TokenStream| {
        let (first, last) = ends(ty);
        let open = quote_spanned!(first=> <);
        let member = moved(&member, last);
        quote_spanned!(last=> #open #ty as __event::Payload<'_>>::#member)
    };
    let infos = variants.iter().map(|variant| {
        payload(&make_static(variant.contract.to_token_stream(), input), quote!(EVENTS[0]))
    });
    let validated = variants.iter().enumerate().map(|(index, variant)| {
        let ty = make_static(variant.contract.to_token_stream(), input);
        let (first, last) = ends(variant.contract);
        let events = payload(&ty, quote!(EVENTS.len()));
        let validate = quote_spanned!(first=> __event::validate_variant);
        let validated = quote_spanned!(last=> #validate(__EVENTS, #index, #events, #shown));
        quote!(const _: () = #validated;)
    });
    let arms = variants.iter().enumerate().map(|(index, variant)| {
        let read = payload(&variant.contract.to_token_stream(), quote!(read(envelope)));
        let make = variant.make();
        quote! {
            if envelope.event_type() == __EVENTS[#index].name {
                return #read.map(#make);
            }
        }
    });
    let arms_in_place = variants.iter().enumerate().map(|(index, variant)| {
        let contract = variant.contract.to_token_stream();
        let read = payload(&contract, quote!(read_in_place(data)));
        let make = variant.make();
        quote! {
            if data.event_type() == __EVENTS[#index].name {
                return #read.map(#make);
            }
        }
    });
    let mut own_generics = input.generics.clone();
    own_generics.where_clause = None;
    let (own_impl, own_arguments, _) = own_generics.split_for_impl();
    let mut seen = Vec::new();
    let conversions = variants.iter().filter_map(|variant| {
        let contract = variant.contract;
        let event = variant.of_event();
        let text = text_of(contract.to_token_stream());
        // The validation refuses the second of two equal ones.
        let first = !seen.contains(&text);
        seen.push(text);
        first.then(|| {
            quote! {
                impl #own_impl ::core::convert::From<#contract> for #name #own_arguments {
                    fn from(event: #contract) -> Self {
                        #event
                    }
                }
            }
        })
    });
    let conversions: Vec<_> = conversions.collect();
    let quiet = quiet();
    quote! {
        #quiet
        const _: () = {
            use #root::macro_support as __event;
            const __EVENTS: &[&__event::ContractInfo] = &[#(#infos),*];
            #(#validated)*

            impl #generics __event::Payload<#from> for #name #arguments #bounds {
                const EVENTS: &'static [&'static __event::ContractInfo] = __EVENTS;

                fn read(
                    envelope: &__event::Envelope<#from>,
                ) -> ::core::result::Result<Self, __event::EnvelopeError> {
                    #(#arms)*
                    ::core::result::Result::Err(__event::not_of_sum(envelope, #shown))
                }

                fn read_in_place(
                    data: &mut __event::DataInPlace<#from>,
                ) -> ::core::option::Option<Self> {
                    #(#arms_in_place)*
                    ::core::option::Option::None
                }
            }

            #(#conversions)*
        };
    }
}

fn header(
    input: &DeriveInput,
    lifetime: Option<&Lifetime>,
) -> (TokenStream, TokenStream, TokenStream) {
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let generics = match lifetime {
        Some(_) => generics.to_token_stream(),
        None => quote!(<'de>),
    };
    (generics, arguments.to_token_stream(), bounds.to_token_stream())
}

// For a sum that is wrong, so that its handlers are not reported as well.
fn stand_in(input: &DeriveInput, lifetime: Option<&Lifetime>, root: &Path) -> Option<TokenStream> {
    if input.generics.params.len() > usize::from(lifetime.is_some()) {
        return None;
    }
    let name = &input.ident;
    let (generics, arguments, bounds) = header(input, lifetime);
    let from = lifetime.map_or_else(|| quote!('de), ToTokens::to_token_stream);
    let shown = name.to_string();
    Some(quote! {
        impl #generics #root::event::Payload<#from> for #name #arguments #bounds {
            const EVENTS: &'static [&'static #root::event::ContractInfo] =
                &[#root::macro_support::BROKEN_CONTRACT];

            fn read(
                envelope: &#root::event::Envelope<#from>,
            ) -> ::core::result::Result<Self, #root::event::EnvelopeError> {
                ::core::result::Result::Err(#root::macro_support::not_of_sum(envelope, #shown))
            }
        }
    })
}
