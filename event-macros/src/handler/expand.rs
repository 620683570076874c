//! The registration of one handler.

use event_names::Kind;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use super::check::Names;
use super::model::Handler;
use crate::names::NameValue;

/// Everything is in one anonymous constant. Its own items begin with `__`, because what the user
/// wrote is resolved in their midst and a handler may well be called `handle`.
pub(crate) fn registration(handler: &Handler, names: &Names, root: &Path) -> TokenStream {
    let name = handler.name();
    let topic = Name { kind: Kind::Topic, value: names.topic.as_ref() };
    let event = Name { kind: Kind::Event, value: names.event.as_ref() };
    let (topic_const, event_const) = (topic.constant(name, root), event.constant(name, root));
    let line = quote_spanned!(name.span()=> ::core::line!());
    let file = quote_spanned!(name.span()=> ::core::file!());
    let contracts = each(
        handler,
        |cfgs, _, ty| quote_spanned!(ty.span()=> #cfgs <#ty as #root::extract::FromDelivery<'_>>::CONTRACT,),
    );
    let requires = each(handler, |cfgs, _, ty| {
        quote_spanned!(ty.span()=>
            #cfgs <#ty as #root::extract::FromDelivery<'_>>::requires(requirements);)
    });
    let arguments = each(handler, |cfgs, argument, ty| {
        quote_spanned!(ty.span()=> #cfgs let #argument =
            <#ty as #root::extract::FromDelivery<'_>>::from_delivery(delivery).await?;)
    });
    let passed = each(handler, |cfgs, argument, _| quote!(#cfgs #argument,));
    let returned = handler.output().map_or(name.span(), Spanned::span);
    let outcome =
        quote_spanned!(returned=> #root::macro_support::IntoOutcome::into_outcome(outcome));
    quote! {
        const _: () = {
            const __CONTRACT: ::core::option::Option<&'static #root::event::ContractInfo> =
                #root::macro_support::contract_of(&[#contracts]);
            #topic_const
            #event_const

            fn __handle<'a>(delivery: &'a #root::Delivery<'a>) -> #root::handler::HandlerFuture<'a> {
                ::std::boxed::Box::pin(async move {
                    #arguments
                    let outcome = #name(#passed).await;
                    ::core::result::Result::Ok(#outcome)
                })
            }

            fn __requires(requirements: &mut #root::state::Requirements) {
                #requires
            }

            #root::macro_support::inventory::submit! {
                #root::handler::HandlerRegistration {
                    topic: __TOPIC,
                    event: __EVENT,
                    name: ::core::stringify!(#name),
                    module: ::core::module_path!(),
                    file: #file,
                    line: #line,
                    requires: __requires,
                    handler: &(__handle
                        as for<'a> fn(&'a #root::Delivery<'a>) -> #root::handler::HandlerFuture<'a>),
                }
            }
        };
    }
}

fn each(
    handler: &Handler,
    quote: impl Fn(TokenStream, Ident, &TokenStream) -> TokenStream,
) -> TokenStream {
    let one = |(index, argument): (usize, &super::model::HandlerArgument)| {
        let cfgs = &argument.cfgs;
        let name = format_ident!("a{index}", span = Span::mixed_site());
        quote(quote!(#(#cfgs)*), name, &argument.inferred)
    };
    handler.arguments.iter().enumerate().map(one).collect()
}

struct Name<'n> {
    kind: Kind,
    value: Option<&'n NameValue>,
}

impl Name<'_> {
    fn constant(&self, handler: &Ident, root: &Path) -> TokenStream {
        let handler = handler.to_string();
        let (constant, from_contract, agreed) = match self.kind {
            Kind::Topic => ("__TOPIC", "contract_topic", "agreed_topic"),
            Kind::Event => ("__EVENT", "contract_event", "agreed_event"),
        };
        let [constant, from_contract, agreed] =
            [constant, from_contract, agreed].map(|word| format_ident!("{word}"));
        let Some(value) = self.value else {
            return quote! {
                const #constant: &'static str =
                    #root::macro_support::#from_contract(__CONTRACT, #handler);
            };
        };
        let declared = value.constant(self.kind, &constant, root);
        let judged = value.judgement(self.kind, &constant, root);
        let agree = quote_spanned! {value.span()=>
            const _: &'static str = #root::macro_support::#agreed(#judged, __CONTRACT, #handler);
        };
        quote!(#declared #agree)
    }
}
