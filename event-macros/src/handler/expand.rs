//! The registration of one handler.

use event_names::Kind;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Path, Type};

use super::attribute_rules::{EventValue, Options};
use super::model::{Handler, HandlerArgument};
use crate::arguments::AttributeArgs;
use crate::names::NameValue;
use crate::quiet::quiet;
use crate::tokens::{ends, moved};

/// Everything is in one anonymous constant. Its own items begin with `__`, because what the user
/// wrote is resolved in their midst and a handler may well be called `handle`.
///
/// Each item is checked and compiled for each handler, so there are as few as can be: constants are
/// made only of what has to be validated at its own place.
pub(crate) fn registration(
    handler: &Handler,
    options: &Options,
    run: Option<TokenStream>,
    root: &Path,
) -> TokenStream {
    let (name, owner) = (handler.name(), handler.shown_name());
    let names = Names::new(handler, options);
    let handle = match handler.instance() {
        Some(ty) => quote!(__event::on_instance::<#ty>),
        None => quote!(__handle),
    };
    let (constants, arguments, selected) = (&names.constants, &names.arguments, &names.selected);
    let settings = settings(handler, options);
    let listed = list(handler);
    let arguments_of =
        (!listed.is_empty()).then(|| quote!(.arguments_of(|_| const { &[#listed] })));
    let register = match (handler.batch(), handler.instance()) {
        (Some(_), _) => quote!(batch_handler),
        (None, Some(_)) => quote!(called_handler),
        (None, None) => quote!(handler),
    };
    let quiet = quiet();
    let line = quote_spanned!(name.span()=> ::core::line!());
    let file = quote_spanned!(name.span()=> ::core::file!());
    quote! {
        #quiet
        const _: () = {
            use #root::macro_support as __event;
            #constants
            #run
            __event::inventory::submit! {
                __event::#register(#owner, __event::Named::#selected, #arguments, #handle)
                    .at(::core::module_path!(), #file, #line)
                    #arguments_of
                    #settings
            }
        };
    }
}

// What the attribute sets beyond the names.
fn settings(handler: &Handler, options: &Options) -> TokenStream {
    let id = options.id.as_ref().map(|id| quote!(.with_id(#id)));
    let foreign_names = foreign_names(options);
    let blocking = options.blocking.as_ref().map(|_| quote!(.blocking()));
    let dead_letter = options.dead_letter.as_ref().map(|_| quote!(.dead_letter(__DEAD_LETTER)));
    let emits = options.emits.as_ref().map(|_| quote!(.emits(__EMITS)));
    let delivery = options.delivery.options();
    let returns = returns(handler);
    quote!(#id #foreign_names #blocking #dead_letter #emits #delivery .returns(#returns))
}

// Said by the attribute, or by the closed lists of the names.
fn foreign_names(options: &Options) -> Option<TokenStream> {
    if options.foreign_names.is_some() {
        return Some(quote!(.foreign_names(true)));
    }
    let event = match &options.event {
        Some(EventValue::Name(event)) => Some(event),
        _ => None,
    };
    let names = [
        (options.topic.as_ref(), Kind::Topic),
        (event, Kind::Event),
        (options.dead_letter.as_ref(), Kind::Topic),
    ];
    let lists = names.into_iter().filter_map(|(name, kind)| name?.is_of_foreign_list(kind));
    let lists: Vec<_> = lists.collect();
    (!lists.is_empty()).then(|| quote!(.foreign_names(#(#lists)||*)))
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

pub(super) fn returned(handler: &Handler, name: &TokenStream) -> Option<TokenStream> {
    let ty = handler.returned.as_ref()?;
    let of = if handler.batch().is_some() { quote!(IntoOutcomes) } else { quote!(IntoOutcome) };
    Some(member(ty, &of, name))
}

// What can be sent as a return value: anything, when it has no name that could be asked.
fn returns(handler: &Handler) -> TokenStream {
    returned(handler, &quote!(EMITS)).unwrap_or_else(|| quote!(&__event::Emits::Anything))
}

fn each(handler: &Handler, one: impl Fn(&HandlerArgument) -> TokenStream) -> TokenStream {
    let quoted = handler.arguments.iter().map(|argument| {
        let (cfgs, quoted) = (argument.cfgs(), one(argument));
        quote!(#cfgs #quoted)
    });
    quoted.collect()
}

impl HandlerArgument {
    pub(super) fn cfgs(&self) -> TokenStream {
        self.cfgs.iter().map(ToTokens::to_token_stream).collect()
    }

    pub(super) fn member(&self, name: &TokenStream) -> TokenStream {
        let of = if self.is_batch { quote!(ExtractBatch) } else { quote!(Extract) };
        member(&self.inferred, &of, name)
    }
}

/// What the attribute says of names, as code.
struct Names {
    constants: TokenStream,
    /// The list of the arguments, or the constant that has it.
    arguments: TokenStream,
    /// The variant of `Named` that has the names.
    selected: TokenStream,
}

impl Names {
    fn new(handler: &Handler, options: &Options) -> Self {
        let owner = handler.shown_name();
        let mut constants = TokenStream::new();
        let topic = options.topic.as_ref();
        let topic = topic.map(|topic| named("__TOPIC", topic, Kind::Topic, &mut constants));
        let event = match &options.event {
            Some(EventValue::Name(event)) => {
                Some(named("__EVENT", event, Kind::Event, &mut constants))
            }
            _ => None,
        };
        let validated = validated(handler, options, topic.as_ref(), event.as_ref());
        let dead_letter = dead_letter(options, topic.as_ref(), &owner);
        let emits = options.emits.as_ref().map(|types| emits(handler, types));
        let listed = list(handler);
        let arguments = if validated.is_empty() && dead_letter.is_none() && emits.is_none() {
            quote!(&[#listed])
        } else {
            constants.extend(quote! {
                const __ARGUMENTS: &[__event::Argument<'static>] = &[#listed];
            });
            quote!(__ARGUMENTS)
        };
        constants.extend(quote!(#validated #dead_letter #emits));
        let selected = match (&options.event, &topic, &event) {
            (Some(EventValue::CatchAll(_)), Some(topic), _) => quote!(CatchAll(#topic)),
            (Some(EventValue::Tombstones(_)), Some(topic), _) => quote!(Tombstones(#topic)),
            (_, Some(topic), Some(event)) => quote!(Event(#topic, #event)),
            (_, Some(_), None) => quote!(ByContract("event")),
            (_, None, _) if event.is_some() => quote!(ByContract("topic")),
            _ => quote!(ByContract("topic and event")),
        };
        Names { constants, arguments, selected }
    }
}

fn list(handler: &Handler) -> TokenStream {
    let instance = handler
        .instance()
        .map(|ty| quote!(<__event::Instance<#ty> as __event::Extract>::ARGUMENT,));
    let arguments = each(handler, |argument| argument.member(&quote!(ARGUMENT,)));
    quote!(#instance #arguments)
}

// A name that is no text has a constant of its own, so that what is wrong with it is said once.
fn named(
    constant: &str,
    value: &NameValue,
    kind: Kind,
    constants: &mut TokenStream,
) -> TokenStream {
    let expression = value.expression(kind);
    if matches!(value, NameValue::Text(_)) {
        return expression;
    }
    let constant = Ident::new(constant, Span::call_site());
    constants.extend(quote!(const #constant: &str = #expression;));
    constant.to_token_stream()
}

fn dead_letter(options: &Options, topic: Option<&TokenStream>, owner: &str) -> Option<TokenStream> {
    let value = options.dead_letter.as_ref()?;
    let expression = value.expression(Kind::Topic);
    let validated = value.is_const().then(|| {
        let validate = validate(Kind::Topic, options);
        value.validated(&validate, &quote!(__DEAD_LETTER), &quote!(""), &quote!(&[]), owner)
    });
    let none = quote!("");
    let topic = topic.unwrap_or(&none);
    let (own, arguments) = (quote!(__DEAD_LETTER), quote!(__ARGUMENTS));
    let is_another = value.validated("validate_dead_letter", &own, topic, &arguments, owner);
    Some(quote!(const __DEAD_LETTER: &str = #expression; #validated #is_another))
}

fn validated(
    handler: &Handler,
    options: &Options,
    topic: Option<&TokenStream>,
    event: Option<&TokenStream>,
) -> TokenStream {
    let may_disagree = handler.arguments.iter().any(HandlerArgument::may_have_contract);
    let owner = handler.shown_name();
    let arguments = quote!(__ARGUMENTS);
    let none = quote!("");
    let one = |value: Option<&NameValue>, kind, own: Option<&TokenStream>, other| {
        let value = value.filter(|value| may_disagree || value.is_const())?;
        let other: Option<&TokenStream> = other;
        Some(value.validated(
            &validate(kind, options),
            own?,
            other.unwrap_or(&none),
            &arguments,
            &owner,
        ))
    };
    let event_value = match &options.event {
        Some(EventValue::Name(event)) => Some(event),
        _ => None,
    };
    let validated_topic = one(options.topic.as_ref(), Kind::Topic, topic, event);
    let validated_event = one(event_value, Kind::Event, event, topic);
    let refused = match &options.event {
        Some(other @ (EventValue::CatchAll(_) | EventValue::Tombstones(_))) if may_disagree => {
            let word = other.word();
            Some(quote_spanned! {other.span()=>
                const _: () = __event::refuse_payload(__ARGUMENTS, #owner, #word);
            })
        }
        _ => None,
    };
    let delivery = options.delivery.validated(topic, may_disagree, &owner);
    quote!(#validated_topic #validated_event #refused #delivery)
}

fn validate(kind: Kind, options: &Options) -> String {
    let foreign = if options.foreign_names.is_some() { "foreign_" } else { "" };
    format!("validate_{foreign}{}", kind.noun())
}

/// What only the compiler can validate of an attribute that has other mistakes: the types and the
/// constants in it have to be right all the same.
pub(crate) fn validated_alone(options: &Options, args: &AttributeArgs) -> Option<TokenStream> {
    let infos = infos(options.emits.as_deref().unwrap_or_default());
    let event = match &options.event {
        Some(EventValue::Name(name)) => Some(name),
        _ => None,
    };
    let topic = options.topic.as_ref();
    let is_certain = args.means("foreign_names") == options.foreign_names.is_some();
    let validated = |value: Option<&NameValue>, kind, other| {
        let validate = is_certain.then(|| validate(kind, options));
        value.and_then(|value| value.validated_alone(kind, other, validate.as_deref()))
    };
    let names = [
        validated(topic, Kind::Topic, event),
        validated(event, Kind::Event, topic),
        validated(options.dead_letter.as_ref(), Kind::Topic, None),
    ];
    let names: TokenStream = names.into_iter().flatten().collect();
    let root = args.root();
    let nothing = infos.is_empty() && names.is_empty();
    (args.root_is_known() && !nothing).then(|| {
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

// The contracts in `emits(..)`, validated at the list.
fn emits(handler: &Handler, types: &[Type]) -> TokenStream {
    let owner = handler.shown_name();
    let infos = infos(types);
    let returns = returns(handler);
    let list: TokenStream = types.iter().map(ToTokens::to_token_stream).collect();
    let (first, last) = ends(list);
    let validate = quote_spanned!(first=> __event::validate_emits);
    let validated = quote_spanned!(last=> #validate(__EMITS, __ARGUMENTS, #returns, #owner));
    quote! {
        const __EMITS: &[&__event::ContractInfo] = &[#(#infos),*];
        const _: () = #validated;
    }
}
