//! What runs the function: it makes the arguments, calls it and reads what it returns.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use super::expand::returned;
use super::model::{Form, Handler, HandlerArgument};
use crate::tokens::{ends, local, own_self};

/// What runs the function, or implements the trait for the type.
pub(crate) fn run(handler: &Handler) -> TokenStream {
    if let Some((index, argument)) = handler.batch() {
        return run_batch(handler, index, argument);
    }
    let name = handler.name();
    let delivery = local("__d");
    let (first, last) = returned_ends(handler);
    let ran = ran(handler);
    let result = local("__returned");
    let into_result = returned(handler, &quote!(into_result))
        .unwrap_or_else(|| quote_spanned!(first=> __event::IntoOutcome::into_result));
    let outcome = quote_spanned!(last=> #into_result(#result, #delivery));
    match &handler.form {
        Form::Function { .. } => {
            let (feed, handed, opened) = (local("__feed"), local("__handed"), local("__opened"));
            let arguments = made(handler, &delivery, |cfgs, made, local| {
                quote! {
                    #cfgs let #local = #made;
                    #cfgs let __event::Some(#local) = #feed.made(#local) else { continue };
                }
            });
            // A future that cannot be sent is the function's, so the function is marked.
            let body = quote_spanned!(name.span()=> async move {
                while let __event::Some(#handed) = #feed.record().await {
                    let __event::Some(#opened) = #handed.open() else { break };
                    let #delivery = &#opened.delivery();
                    #arguments
                    let #result = #ran;
                    let #result = #outcome;
                    #feed.ended(&#opened, #result);
                }
            });
            let pinned = quote_spanned!(name.span()=> __event::Box::pin(#body));
            quote! {
                fn __handle<'a>(mut #feed: __event::Feed<'a>) -> __event::Work<'a> {
                    #pinned
                }
            }
        }
        Form::Instance(ty) => {
            let (_, bind) = own_self(last);
            let arguments =
                made(handler, &delivery, |cfgs, made, local| quote!(#cfgs let #local = #made?;));
            let pinned = quote_spanned!(name.span()=> __event::Box::pin(async move {
                #arguments
                let #result = #ran;
                #outcome
            }));
            quote! {
                impl __event::EventHandler for #ty {
                    fn handle<'a>(
                        &'a self,
                        #delivery: &'a __event::Delivery<'a>,
                    ) -> __event::Call<'a> {
                        #bind
                        #pinned
                    }
                }
            }
        }
    }
}

// The same for several records: what is not the batch is made from the first in it.
fn run_batch(handler: &Handler, index: usize, batch: &HandlerArgument) -> TokenStream {
    let name = handler.name();
    let (feed, handed, opened) = (local("__feed"), local("__handed"), local("__opened"));
    let (deliveries, delivery) = (local("__all"), local("__d"));
    let taken = argument_local(index);
    let take = batch.member(&quote!(from_deliveries(#deliveries).await));
    let arguments = made(handler, &delivery, |cfgs, made, local| {
        quote! {
            #cfgs let #local = #made;
            #cfgs let __event::Some(#local) = #feed.made(#local) else { continue };
        }
    });
    let (first, last) = returned_ends(handler);
    let ran = ran(handler);
    let result = local("__returned");
    let into_outcomes = returned(handler, &quote!(into_batch_outcomes))
        .unwrap_or_else(|| quote_spanned!(first=> __event::IntoOutcomes::into_batch_outcomes));
    let outcomes = quote_spanned!(last=> #into_outcomes(#result, #feed.fitting(#deliveries)));
    let body = quote_spanned!(name.span()=> async move {
        while let __event::Some(#handed) = #feed.records().await {
            let __event::Some(#opened) = #handed.open() else { break };
            let #deliveries = &#opened.deliveries();
            let #taken = #take;
            let __event::Some((#taken, #delivery)) = #feed.taken(#deliveries, #taken) else {
                continue
            };
            #arguments
            let #result = #ran;
            let #result = #outcomes;
            #feed.ended(&#opened, #result);
        }
    });
    let pinned = quote_spanned!(name.span()=> __event::Box::pin(#body));
    quote! {
        fn __handle<'a>(mut #feed: __event::BatchFeed<'a>) -> __event::Work<'a> {
            #pinned
        }
    }
}

fn argument_local(index: usize) -> Ident {
    local(&format!("__a{index}"))
}

// Makes the arguments that are made from one delivery; `bind` has one made, or leaves with why it is not.
fn made(
    handler: &Handler,
    delivery: &Ident,
    bind: impl Fn(TokenStream, TokenStream, Ident) -> TokenStream,
) -> TokenStream {
    let singles = handler.arguments.iter().enumerate().filter(|(_, argument)| !argument.is_batch);
    let made = singles.map(|(index, argument)| {
        let (cfgs, local) = (argument.cfgs(), argument_local(index));
        let made = argument.member(&quote!(from_delivery(#delivery).await));
        bind(cfgs, made, local)
    });
    made.collect()
}

// A return type that is no outcome is marked itself, and so the call stands as if in its place.
fn returned_ends(handler: &Handler) -> (Span, Span) {
    ends(handler.output().map_or(handler.name().to_token_stream(), ToTokens::to_token_stream))
}

// The call of the function.
fn ran(handler: &Handler) -> TokenStream {
    let passed = handler.arguments.iter().enumerate().map(|(index, argument)| {
        let (cfgs, local) = (argument.cfgs(), argument_local(index));
        quote!(#cfgs #local)
    });
    let (first, last) = returned_ends(handler);
    let mut function = handler.name().clone();
    function.set_span(first);
    match &handler.form {
        Form::Function { blocking: false } => quote_spanned!(last=> #function(#(#passed),*).await),
        // clippy would ask the user for the function itself.
        Form::Function { blocking: true } if handler.arguments.is_empty() => {
            quote_spanned!(last=> __event::blocking(__event::Box::new(#function)).await)
        }
        Form::Function { blocking: true } => quote_spanned! {last=>
            __event::blocking(__event::Box::new(move || #function(#(#passed),*))).await
        },
        Form::Instance(ty) => {
            let (own, _) = own_self(last);
            quote_spanned!(last=> <#ty>::#function(#own, #(#passed),*).await)
        }
    }
}
