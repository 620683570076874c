//! `#[derive(EventError)]`: an error type says what is to be done about a record.

use event_names::delivery::DAY_MS;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, Data, DeriveInput, Fields, GenericParam, Path};

use crate::arguments::{Arguments, AttributeArgs, Keys, Values};
use crate::diagnostics::Diagnostics;
use crate::quiet::quiet;
use crate::record;
use crate::tokens::{see_through, text_of};

const KEYS: Keys = Keys {
    attribute: "#[event_error]",
    known: &[("retry_after", "\"30s\"")],
    flags: &["retry", "dead_letter", "skip", "unavailable"],
    lists: &[],
};

/// What is to be done, as code; `__event` stands for our `macro_support`.
type Verdict = TokenStream;

/// A variant with its own verdict.
struct Said<'i> {
    cfgs: Vec<&'i Attribute>,
    variant: &'i Ident,
    verdict: Option<Verdict>,
}

/// The implementation of `EventError` and its registration, or what is wrong.
pub(crate) fn derive_event_error(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(see_through(item)) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut diagnostics = Diagnostics::default();
    let arguments = Arguments::of_attributes("event_error", &input.attrs);
    let args = AttributeArgs::parse(arguments, &KEYS, &mut diagnostics);
    let whole = verdict(&args, &input.attrs, true, &mut diagnostics);
    generic(&input, &mut diagnostics);
    let said = variants(&input, &mut diagnostics);
    if diagnostics.is_empty() {
        let mut output = expand(&input, whole.as_ref(), &said, &args.root());
        output.extend(record::note(&args.root()));
        output
    } else {
        diagnostics.into_compile_errors()
    }
}

fn variants<'i>(input: &'i DeriveInput, diagnostics: &mut Diagnostics) -> Vec<Said<'i>> {
    let data = match &input.data {
        Data::Enum(data) => data,
        Data::Struct(data) => {
            on_fields(&data.fields, diagnostics);
            return Vec::new();
        }
        Data::Union(data) => {
            let what = format!("`{}` is a union, but an error is an enum or a struct", input.ident);
            diagnostics.add(data.union_token, what, "write an enum, and put `EventError` on it");
            return Vec::new();
        }
    };
    let said = data.variants.iter().map(|variant| {
        on_fields(&variant.fields, diagnostics);
        let arguments = Arguments::of_attributes("event_error", &variant.attrs);
        let args = AttributeArgs::parse(arguments, &KEYS, diagnostics);
        Said {
            cfgs: variant.attrs.iter().filter(|a| a.path().is_ident("cfg")).collect(),
            variant: &variant.ident,
            verdict: verdict(&args, &variant.attrs, false, diagnostics),
        }
    });
    said.collect()
}

// What one item's attributes say; only those of the type may name the framework and say nothing else.
fn verdict(
    args: &AttributeArgs,
    attributes: &[Attribute],
    on_type: bool,
    diagnostics: &mut Diagnostics,
) -> Option<Verdict> {
    let flags = KEYS.flags.iter().filter_map(|flag| args.flag(flag)).cloned();
    let delay = args.key("retry_after").cloned();
    let words: Vec<Ident> = flags.chain(delay).collect();
    if let [first, second, ..] = &words[..] {
        let what = format!("`{first}` and `{second}` are both said, but only one can be done");
        diagnostics.add(second, what, args.removal(second));
        return None;
    }
    if !on_type && let Some(key) = args.root_key() {
        let what = "`crate` is said for the whole type";
        let root = text_of(args.root().to_token_stream());
        let help = format!("remove `crate = {root}`; it stands above the type");
        diagnostics.add(key, what, help);
    }
    let Some(word) = words.first() else {
        let attribute = attributes.iter().find(|a| a.path().is_ident("event_error"));
        if let Some(attribute) = attribute.filter(|_| args.says_nothing()) {
            let what = "`#[event_error]` says nothing";
            let help = "write `#[event_error(dead_letter)]`, or `retry`, `retry_after = \"30s\"`, \
                        `skip` or `unavailable`";
            diagnostics.add(attribute, what, help);
        }
        return None;
    };
    Some(match word.to_string().as_str() {
        "retry_after" => {
            let ms = Values::new(args, &KEYS, diagnostics).duration("retry_after", 0..=DAY_MS)?;
            quote!(RetryAfter(::core::time::Duration::from_millis(#ms)))
        }
        "dead_letter" => quote!(DeadLetter),
        "skip" => quote!(Skip),
        "unavailable" => quote!(Unavailable),
        _ => quote!(Retry),
    })
}

fn on_fields(fields: &Fields, diagnostics: &mut Diagnostics) {
    for field in fields {
        if let Some(attribute) = field.attrs.iter().find(|a| a.path().is_ident("event_error")) {
            let shown = text_of(attribute.to_token_stream());
            let what = "`event_error` stands on a field, but is about the whole error";
            diagnostics.add(attribute, what, format!("remove `{shown}`"));
        }
    }
}

// A boxed error is recognised by its type, and that is one for each set of arguments.
fn generic(input: &DeriveInput, diagnostics: &mut Diagnostics) {
    let name = &input.ident;
    for param in &input.generics.params {
        let (what, help) = match param {
            GenericParam::Lifetime(param) => (
                format!("error `{name}` borrows by `{}`, but outlives the record", param.lifetime),
                "write `String` in place of a reference, and remove the lifetime",
            ),
            GenericParam::Type(param) => (
                format!(
                    "error `{name}` is generic over `{}`, but is known by its one type",
                    param.ident
                ),
                "write the type itself, or remove `EventError` and say it where the error passes: \
                 `.dead_letter()?`",
            ),
            GenericParam::Const(param) => (
                format!(
                    "error `{name}` is generic over `{}`, but is known by its one type",
                    param.ident
                ),
                "write the value itself, or remove `EventError` and say it where the error passes: \
                 `.dead_letter()?`",
            ),
        };
        diagnostics.add(param, what, help);
    }
}

fn expand(
    input: &DeriveInput,
    whole: Option<&Verdict>,
    said: &[Said<'_>],
    root: &Path,
) -> TokenStream {
    let name = &input.ident;
    let option = |verdict: Option<&Verdict>| match verdict {
        Some(verdict) => quote!(::core::option::Option::Some(__event::Verdict::#verdict)),
        None => quote!(::core::option::Option::None),
    };
    let verdict = if said.iter().any(|said| said.verdict.is_some()) {
        let arms = said.iter().map(|Said { cfgs, variant, verdict }| {
            let verdict = option(verdict.as_ref().or(whole));
            quote!(#(#cfgs)* Self::#variant { .. } => #verdict,)
        });
        quote!(match self { #(#arms)* })
    } else {
        option(whole)
    };
    let quiet = quiet();
    quote! {
        #quiet
        const _: () = {
            use #root::macro_support as __event;
            impl __event::EventError for #name {
                fn verdict(&self) -> ::core::option::Option<__event::Verdict> {
                    #verdict
                }
            }
            __event::inventory::submit! {
                __event::Classifier::of::<#name>()
            }
        };
    }
}
