//! The registration of one handler.

use event_names::Kind;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Path;

use super::check::Names;
use super::model::{Handler, HandlerArgument};
use crate::names::NameValue;
use crate::tokens::{ends, moved, root_at};

/// Everything is in one anonymous constant. Its own items begin with `__`, because what the user
/// wrote is resolved in their midst and a handler may well be called `handle`.
pub(crate) fn registration(handler: &Handler, names: &Names, root: &Path) -> TokenStream {
    let name = handler.name();
    let contract = each(handler, |argument| argument.member(&quote!(CONTRACT,), root));
    let names = names.constants(handler, root);
    let handle = handle(handler, root);
    let requires = requires(handler, root);
    let place = quote_spanned!(name.span()=> file: ::core::file!(), line: ::core::line!(),);
    quote! {
        const _: () = {
            const __CONTRACT: ::core::option::Option<&'static #root::event::ContractInfo> =
                #root::macro_support::contract_of(&[#contract]);
            #names
            #handle
            #requires
            #root::macro_support::inventory::submit! {
                #root::handler::HandlerRegistration {
                    topic: __TOPIC,
                    event: __EVENT,
                    name: ::core::stringify!(#name),
                    module: ::core::module_path!(),
                    #place
                    requires: __requires,
                    handler: &(__handle
                        as for<'a> fn(&'a #root::Delivery<'a>) -> #root::handler::HandlerFuture<'a>),
                }
            }
        };
    }
}

fn handle(handler: &Handler, root: &Path) -> TokenStream {
    let name = handler.name();
    let delivery = local("delivery");
    let locals = (0..handler.arguments.len()).map(|index| local(&format!("a{index}")));
    let arguments = handler.arguments.iter().zip(locals.clone()).map(|(argument, local)| {
        let cfgs = argument.cfgs();
        let made = argument.member(&quote!(from_delivery(#delivery).await?;), root);
        quote!(#cfgs let #local = #made)
    });
    let passed = handler.arguments.iter().zip(locals).map(|(argument, local)| {
        let cfgs = argument.cfgs();
        quote!(#cfgs #local)
    });
    let (first, last) =
        ends(handler.output().map_or(name.to_token_stream(), ToTokens::to_token_stream));
    // A return type that is no outcome is marked itself: the call stands as if in its place.
    let mut call = name.clone();
    call.set_span(first);
    let passed = quote_spanned!(last=> (#(#passed),*).await);
    let root_of_outcome = root_at(root, first);
    let into_outcome =
        quote_spanned!(first=> #root_of_outcome::macro_support::IntoOutcome::into_outcome);
    let outcome = quote_spanned!(last=> #into_outcome(#call #passed));
    // A future that cannot be sent is the function's, so the function is marked.
    let body = quote_spanned!(name.span()=> async move {
        #(#arguments)*
        ::core::result::Result::Ok(#outcome)
    });
    let pinned = quote_spanned!(name.span()=> ::std::boxed::Box::pin(#body));
    quote! {
        fn __handle<'a>(#delivery: &'a #root::Delivery<'a>) -> #root::handler::HandlerFuture<'a> {
            #pinned
        }
    }
}

fn requires(handler: &Handler, root: &Path) -> TokenStream {
    let requirements = local("requirements");
    let requires =
        each(handler, |argument| argument.member(&quote!(requires(#requirements);), root));
    quote! {
        fn __requires(#requirements: &mut #root::state::Requirements) {
            #requires
        }
    }
}

// A name of ours that the user's code cannot mean, and that hides nothing of the user's.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn each(handler: &Handler, one: impl Fn(&HandlerArgument) -> TokenStream) -> TokenStream {
    let quoted = handler.arguments.iter().map(|argument| {
        let (cfgs, quoted) = (argument.cfgs(), one(argument));
        quote!(#cfgs #quoted)
    });
    quoted.collect()
}

impl HandlerArgument {
    fn cfgs(&self) -> TokenStream {
        self.cfgs.iter().map(ToTokens::to_token_stream).collect()
    }

    // `<Type as FromDelivery<'_>>::member`, as if it had been written in the place of the type. All
    // members are named in this one form: then the compiler says the same of each when the type is
    // no argument, and reports it once.
    fn member(&self, member: &TokenStream, root: &Path) -> TokenStream {
        let ty = &self.inferred;
        let (first, last) = ends(ty);
        let (open, root) = (quote_spanned!(first=> <), root_at(root, last));
        let member = moved(member, last);
        quote_spanned!(last=> #open #ty as #root::extract::FromDelivery<'_>>::#member)
    }
}

impl Names {
    fn constants(&self, handler: &Handler, root: &Path) -> TokenStream {
        let name = handler.name().to_string();
        let of_contract = |value: &Option<NameValue>, function| match value {
            Some(_) => None,
            None => {
                let function = format_ident!("{function}");
                Some(quote!(#root::macro_support::#function(__CONTRACT)))
            }
        };
        let topic = of_contract(&self.topic, "contract_topic");
        let event = of_contract(&self.event, "contract_event");
        let required = (topic.is_some() || event.is_some()).then(|| {
            let (missing, write) = super::check::missing(topic.is_some(), event.is_some());
            quote! {
                const _: () = #root::macro_support::require_contract(__CONTRACT, #name, #missing, #write);
            }
        });
        let value = |value: &Option<NameValue>, kind| {
            value.as_ref().map(|value| value.expression(kind, root))
        };
        let topic = topic.or_else(|| value(&self.topic, Kind::Topic));
        let event = event.or_else(|| value(&self.event, Kind::Event));
        let judged = self.judged(handler, root);
        quote! {
            const __TOPIC: &'static str = #topic;
            const __EVENT: &'static str = #event;
            #required
            #judged
        }
    }

    fn judged(&self, handler: &Handler, root: &Path) -> TokenStream {
        let name = handler.name().to_string();
        let may_disagree = handler.arguments.iter().any(HandlerArgument::may_have_contract);
        let contract = quote!(__CONTRACT);
        let judge = |value: &Option<NameValue>, other: &Option<NameValue>, kind| {
            let value = value.as_ref().filter(|value| may_disagree || value.is_const())?;
            Some(value.judged(kind, other.is_some(), &contract, &name, root))
        };
        let topic = judge(&self.topic, &self.event, Kind::Topic);
        let event = judge(&self.event, &self.topic, Kind::Event);
        quote!(#topic #event)
    }
}
