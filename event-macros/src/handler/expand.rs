//! The registration of one handler.

use event_names::Kind;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Path, Type};

use super::check::{EventValue, Options};
use super::model::{Form, Handler, HandlerArgument};
use crate::arguments::Given;
use crate::names::NameValue;
use crate::tokens::{ends, moved};

/// Everything is in one anonymous constant. Its own items begin with `__`, because what the user
/// wrote is resolved in their midst and a handler may well be called `handle`.
pub(crate) fn registration(handler: &Handler, options: &Options, root: &Path) -> TokenStream {
    let (name, owner) = (handler.name(), handler.shown_name());
    let instance = handler
        .instance()
        .map(|ty| quote!(<__event::Instance<#ty> as __event::Extract>::ARGUMENT,));
    let arguments = each(handler, |argument| argument.member(&quote!(ARGUMENT,)));
    let names = names(handler, options);
    let run = run(handler);
    let handle = match handler.instance() {
        Some(ty) => quote!(__event::on_instance::<#ty>),
        None => quote_spanned!(name.span()=> |delivery| __event::Box::pin(__run(delivery))),
    };
    let settings = settings(handler, options);
    let selects = match &options.event {
        Some(EventValue::Name(_)) => quote!(__event::Selector::Event(__EVENT)),
        Some(EventValue::Rest(_)) => quote!(__event::Selector::Rest),
        Some(EventValue::Tombstones(_)) => quote!(__event::Selector::Tombstones),
        None => quote!(__event::selector_of(__ARGUMENTS)),
    };
    let line = quote_spanned!(name.span()=> ::core::line!());
    let file = quote_spanned!(name.span()=> ::core::file!());
    quote! {
        const _: () = {
            use #root::macro_support as __event;
            const __ARGUMENTS: &[__event::Argument<'static>] = &[#instance #arguments];
            #names
            #run
            __event::inventory::submit! {
                __event::HandlerRegistration::new(__TOPIC, #selects, __ARGUMENTS, #handle)
                    .at(#owner, ::core::module_path!(), #file, #line)
                    #settings
            }
        };
    }
}

// What the attribute sets beyond the names.
fn settings(handler: &Handler, options: &Options) -> TokenStream {
    let id = options.id.as_ref().map(|id| quote!(.with_id(#id)));
    let foreign_names = options.foreign_names.as_ref().map(|_| quote!(.foreign_names()));
    let blocking = options.blocking.as_ref().map(|_| quote!(.blocking()));
    let dead_letter = options.dead_letter.as_ref().map(|_| quote!(.dead_letter(__DEAD_LETTER)));
    let emits = options.emits.as_ref().map(|_| quote!(.emits(__EMITS)));
    let returns = returned(handler, &quote!(EMITS)).map(|emits| quote!(.returns(#emits)));
    quote!(#id #foreign_names #blocking #dead_letter #emits #returns)
}

fn run(handler: &Handler) -> TokenStream {
    let name = handler.name();
    let delivery = local("__delivery");
    let locals = (0..handler.arguments.len()).map(|index| local(&format!("__a{index}")));
    let arguments = handler.arguments.iter().zip(locals.clone()).map(|(argument, local)| {
        let cfgs = argument.cfgs();
        let made = argument.member(&quote!(from_delivery(#delivery).await?));
        quote!(#cfgs let #local = #made;)
    });
    let passed = handler.arguments.iter().zip(locals).map(|(argument, local)| {
        let cfgs = argument.cfgs();
        quote!(#cfgs #local)
    });
    // A return type that is no outcome is marked itself, and so the call stands as if in its place.
    let (first, last) =
        ends(handler.output().map_or(name.to_token_stream(), ToTokens::to_token_stream));
    let mut function = name.clone();
    function.set_span(first);
    let ran = match &handler.form {
        Form::Function { blocking: false } => quote_spanned!(last=> #function(#(#passed),*).await),
        Form::Function { blocking: true } => quote_spanned! {last=>
            __event::blocking(__event::Box::new(move || #function(#(#passed),*))).await
        },
        Form::Instance(ty) => quote_spanned!(last=> <#ty>::#function(self, #(#passed),*).await),
    };
    let returned = local("__returned");
    let into_result = self::returned(handler, &quote!(into_result))
        .unwrap_or_else(|| quote_spanned!(first=> __event::IntoOutcome::into_result));
    let result = quote_spanned!(last=> #into_result(#returned, #delivery));
    let body = quote! {
        #(#arguments)*
        let #returned = #ran;
        #result
    };
    match &handler.form {
        Form::Function { .. } => quote! {
            async fn __run(#delivery: &__event::Delivery<'_>) -> __event::Attempted {
                #body
            }
        },
        Form::Instance(ty) => {
            // A future that cannot be sent is the method's, so the method is marked.
            let run = Ident::new("run", name.span());
            quote! {
                impl __event::StateHandler for #ty {
                    async fn #run(&self, #delivery: &__event::Delivery<'_>) -> __event::Attempted {
                        #body
                    }
                }
            }
        }
    }
}

// `<Type as Trait>::member`, as if it had been written in the place of the type. All members are
// named in this one form: then the compiler says the same of each when the type does not fit, and
// reports it once.
fn member(ty: &TokenStream, of: &TokenStream, member: &TokenStream) -> TokenStream {
    let (first, last) = ends(ty);
    let open = quote_spanned!(first=> <);
    let (of, member) = (moved(of, last), moved(member, last));
    quote_spanned!(last=> #open #ty as __event::#of>::#member)
}

fn returned(handler: &Handler, name: &TokenStream) -> Option<TokenStream> {
    let ty = handler.returned.as_ref()?;
    Some(member(ty, &quote!(IntoOutcome), name))
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

    fn member(&self, name: &TokenStream) -> TokenStream {
        member(&self.inferred, &quote!(Extract), name)
    }
}

fn names(handler: &Handler, options: &Options) -> TokenStream {
    let owner = handler.shown_name();
    let event_name = match &options.event {
        Some(EventValue::Name(value)) => Some(value),
        _ => None,
    };
    let (no_topic, no_event) = (options.topic.is_none(), options.event.is_none());
    let required = (no_topic || no_event).then(|| {
        let require = match (no_topic, no_event) {
            (true, false) => quote!(require_topic),
            (false, true) => quote!(require_event),
            _ => quote!(require_contract),
        };
        quote!(const _: () = __event::#require(__ARGUMENTS, #owner);)
    });
    let constant = |name: &str, value: TokenStream| {
        let name = Ident::new(name, Span::call_site());
        quote!(const #name: &str = #value;)
    };
    let topic = match &options.topic {
        Some(value) => value.expression(Kind::Topic),
        None => quote!(__event::topic_of(__ARGUMENTS)),
    };
    let topic = constant("__TOPIC", topic);
    let event = event_name.map(|value| constant("__EVENT", value.expression(Kind::Event)));
    let judged = judged(handler, options, event_name);
    let refused = match &options.event {
        Some(other @ (EventValue::Rest(_) | EventValue::Tombstones(_)))
            if handler.arguments.iter().any(HandlerArgument::may_have_contract) =>
        {
            let word = other.word();
            let at = other.span();
            Some(
                quote_spanned!(at=> const _: () = __event::refuse_payload(__ARGUMENTS, #owner, #word);),
            )
        }
        _ => None,
    };
    let dead_letter = options.dead_letter.as_ref().map(|value| {
        let constant = constant("__DEAD_LETTER", value.expression(Kind::Topic));
        let judged = value.is_const().then(|| {
            let judge = judge(Kind::Topic, options);
            value.judged(&judge, &quote!(__DEAD_LETTER), &quote!(""), &quote!(&[]), &owner)
        });
        quote!(#constant #judged)
    });
    let emits = options.emits.as_ref().map(|types| emits(handler, types));
    quote!(#topic #event #required #judged #refused #dead_letter #emits)
}

fn judged(handler: &Handler, options: &Options, event: Option<&NameValue>) -> TokenStream {
    let arguments = quote!(__ARGUMENTS);
    let may_disagree = handler.arguments.iter().any(HandlerArgument::may_have_contract);
    let owner = handler.shown_name();
    let one = |value: Option<&NameValue>, kind| {
        let value = value.filter(|value| may_disagree || value.is_const())?;
        let (own, other, has_other) = match kind {
            Kind::Topic => (quote!(__TOPIC), quote!(__EVENT), event.is_some()),
            Kind::Event => (quote!(__EVENT), quote!(__TOPIC), options.topic.is_some()),
        };
        let other = if has_other { other } else { quote!("") };
        Some(value.judged(&judge(kind, options), &own, &other, &arguments, &owner))
    };
    let topic = one(options.topic.as_ref(), Kind::Topic);
    let event = one(event, Kind::Event);
    quote!(#topic #event)
}

fn judge(kind: Kind, options: &Options) -> String {
    let foreign = if options.foreign_names.is_some() { "foreign_" } else { "" };
    format!("judge_{foreign}{}", kind.noun())
}

/// What only the compiler can judge of an attribute that has other mistakes: the types and the
/// constants in it have to be right all the same.
pub(crate) fn judged_alone(options: &Options, given: &Given) -> Option<TokenStream> {
    let infos = infos(options.emits.as_deref().unwrap_or_default());
    let event = match &options.event {
        Some(EventValue::Name(name)) => Some(name),
        _ => None,
    };
    let topic = options.topic.as_ref();
    let is_certain = given.means("foreign_names") == options.foreign_names.is_some();
    let judged = |value: Option<&NameValue>, kind, other| {
        let judge = is_certain.then(|| judge(kind, options));
        value.and_then(|value| value.judged_alone(kind, other, judge.as_deref()))
    };
    let names = [
        judged(topic, Kind::Topic, event),
        judged(event, Kind::Event, topic),
        judged(options.dead_letter.as_ref(), Kind::Topic, None),
    ];
    let names: TokenStream = names.into_iter().flatten().collect();
    let root = given.root();
    let nothing = infos.is_empty() && names.is_empty();
    (given.root_is_known() && !nothing).then(|| {
        quote! {
            const _: () = {
                use #root::macro_support as __event;
                const _: &[&__event::ContractInfo] = &[#(#infos),*];
                #names
            };
        }
    })
}

fn infos(types: &[Type]) -> Vec<TokenStream> {
    let info = |ty: &Type| {
        let (first, last) = ends(ty);
        let open = quote_spanned!(first=> <);
        quote_spanned!(last=> #open #ty as __event::Contract>::INFO)
    };
    types.iter().map(info).collect()
}

// The contracts in `emits(..)`, judged at the list.
fn emits(handler: &Handler, types: &[Type]) -> TokenStream {
    let owner = handler.shown_name();
    let infos = infos(types);
    let returns =
        returned(handler, &quote!(EMITS)).unwrap_or_else(|| quote!(&__event::Emits::Nothing));
    let list: TokenStream = types.iter().map(ToTokens::to_token_stream).collect();
    let (first, last) = ends(list);
    let judge = quote_spanned!(first=> __event::judge_emits);
    let judged = quote_spanned!(last=> #judge(__EMITS, __ARGUMENTS, #returns, #owner));
    quote! {
        const __EMITS: &[&__event::ContractInfo] = &[#(#infos),*];
        const _: () = #judged;
    }
}
