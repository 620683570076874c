//! Whether each variant stands for one name, and which.

use event_names::{Kind, suggestion};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{DataEnum, Expr, Fields, Lit, LitStr, Variant};

use super::{Listed, attribute, example};
use crate::arguments::{Arguments, AttributeArgs, Keys};
use crate::diagnostics::Diagnostics;
use crate::names::{Rule, is_upper_camel, validate};
use crate::tokens::text_of;

/// The variants with their names, as far as they are right.
pub(super) fn variants<'i>(
    kind: Kind,
    rule: Rule,
    data: &'i DataEnum,
    diagnostics: &mut Diagnostics,
) -> Vec<Listed<'i>> {
    let mut listed = Vec::<Listed<'_>>::new();
    for variant in &data.variants {
        let Some((one, at)) = listed_variant(kind, rule, variant, diagnostics) else { continue };
        let (ident, name) = (one.ident, &one.name);
        if let Some(first) = listed.iter().find(|other| other.name == *name) {
            let noun = kind.noun();
            let what = format!("{noun} `{name}` stands for both `{}` and `{ident}`", first.ident);
            diagnostics.add(at, what, format!("give `{ident}` another name"));
        } else {
            listed.push(one);
        }
    }
    listed
}

// A variant, and the token that says its name.
fn listed_variant<'i>(
    kind: Kind,
    rule: Rule,
    variant: &'i Variant,
    diagnostics: &mut Diagnostics,
) -> Option<(Listed<'i>, TokenStream)> {
    let ident = &variant.ident;
    if !matches!(variant.fields, Fields::Unit) {
        let what = format!("variant `{ident}` has fields, but stands for a name alone");
        let fields = text_of(variant.fields.to_token_stream());
        diagnostics.add(&variant.fields, what, format!("remove `{fields}`"));
        return None;
    }
    if let Some((sign, value)) = &variant.discriminant {
        let what = format!("variant `{ident}` has a number, but names are found by their order");
        let value = value.to_token_stream();
        let help = format!("remove `= {}`", text_of(value.clone()));
        diagnostics.add(quote!(#sign #value), what, help);
        return None;
    }
    // Behind `topic =` such a path would be taken for that of a constant.
    let word = ident.unraw().to_string();
    if !is_upper_camel(&word) {
        let what = format!("variant `{ident}` is not distinguished from a constant by its case");
        let camel = upper_camel(&word);
        let help = if is_upper_camel(&camel) {
            format!("write `{camel}`")
        } else {
            format!("write a word with small letters, like `{}`", example(kind))
        };
        diagnostics.add(ident, what, help);
        return None;
    }
    let listed = |name, rule| Listed { ident, name, rule, is_unit: true };
    match explicit_name(kind, rule, variant, diagnostics) {
        Ok(Some((text, rule))) => {
            let name = text.value();
            validate(kind, "name", &name, &text, rule, diagnostics)
                .then(|| (listed(name, rule), text.to_token_stream()))
        }
        Ok(None) => {
            let name = suggestion(kind, &word).as_str().to_owned();
            if name.is_empty() {
                let what = format!("`{ident}` cannot be turned into the name of {}", a(kind));
                let attribute = format!("#[{}(name = \"{}\")]", kind.noun(), kind.example());
                let help = format!("write `{attribute}` above `{ident}`");
                diagnostics.add(ident, what, help);
                return None;
            }
            Some((listed(name, Rule::Convention), ident.to_token_stream()))
        }
        Err(AlreadyReported) => None,
    }
}

// `SMS_SENT` and `sms_sent` as `SmsSent`.
fn upper_camel(word: &str) -> String {
    let capitalised = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().into_iter().flat_map(char::to_uppercase);
        first.chain(chars.flat_map(char::to_lowercase)).collect::<String>()
    };
    word.split('_').map(capitalised).collect()
}

struct AlreadyReported;

// The name in the variant's attribute, and the rule it follows.
fn explicit_name(
    kind: Kind,
    rule: Rule,
    variant: &Variant,
    diagnostics: &mut Diagnostics,
) -> Result<Option<(LitStr, Rule)>, AlreadyReported> {
    let known: &[_] = match kind {
        Kind::Topic => &[("name", "\"role_events\"")],
        Kind::Event => &[("name", "\"CLAIM_ADDED\"")],
    };
    let keys = Keys { attribute: attribute(kind), known, flags: &["foreign_names"], lists: &[] };
    let before = diagnostics.count();
    let arguments = Arguments::of_attributes(kind.noun(), &variant.attrs);
    let args = AttributeArgs::parse(arguments, &keys, diagnostics);
    let Some(value) = args.value("name") else {
        if let Some(flag) = args.flag("foreign_names").filter(|_| args.lacks("name")) {
            let what = format!("`foreign_names` is about a name, but `{}` has none", variant.ident);
            let example = suggestion(kind, &variant.ident.unraw().to_string());
            let example = if example.is_empty() { kind.example() } else { example.as_str() };
            diagnostics.add(flag, what, format!("write `name = \"{example}\", foreign_names`"));
        }
        let reported = diagnostics.count() > before;
        return if reported { Err(AlreadyReported) } else { Ok(None) };
    };
    let rule = match super::rule(&args) {
        Rule::Foreign => Rule::Foreign,
        Rule::Convention => rule,
    };
    if let Expr::Lit(literal) = value
        && let Lit::Str(text) = &literal.lit
    {
        return Ok(Some((text.clone(), rule)));
    }
    let help = format!("write `name = \"{}\"`", kind.example());
    diagnostics.add(value, "the `name` of a variant is a text", help);
    Err(AlreadyReported)
}

fn a(kind: Kind) -> &'static str {
    match kind {
        Kind::Topic => "a topic",
        Kind::Event => "an event",
    }
}
