//! `#[derive(Topics)]` and `#[derive(Events)]`: closed lists of names.

use event_names::{Kind, suggestion};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Data, DataEnum, DeriveInput, Expr, Fields, Lit, LitStr, Path, Variant};

use crate::arguments::{Arguments, Given, Keys};
use crate::complaints::Complaints;
use crate::names::{is_upper_camel, judge};
use crate::tokens::text_of;

/// The implementations, or what is wrong.
pub(crate) fn derive_list(kind: Kind, item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut complaints = Complaints::default();
    let on_enum = Keys { attribute: attribute(kind), known: &[], flags: &[], lists: &[] };
    let arguments = Arguments::of_attributes(kind.noun(), &input.attrs);
    let root = Given::judge(arguments, &on_enum, &mut complaints).root();
    let names = match enum_of(kind, &input, &mut complaints) {
        Some(data) => names(kind, data, &mut complaints),
        None => Vec::new(),
    };
    if complaints.is_empty() {
        expand(kind, &input, &names, &root)
    } else {
        complaints.into_compile_errors()
    }
}

fn attribute(kind: Kind) -> &'static str {
    match kind {
        Kind::Topic => "#[topic]",
        Kind::Event => "#[event]",
    }
}

fn enum_of<'i>(
    kind: Kind,
    input: &'i DeriveInput,
    complaints: &mut Complaints,
) -> Option<&'i DataEnum> {
    let (name, noun) = (&input.ident, kind.noun());
    let help = format!("write `enum {name} {{ {} }}`", example(kind));
    let keyword = match &input.data {
        Data::Enum(_) if !input.generics.params.is_empty() => {
            let what = format!("`{name}` is generic, but a list of {noun}s is one list");
            complaints.add(
                &input.generics,
                what,
                format!("remove `{}`", text_of(input.generics.to_token_stream())),
            );
            return None;
        }
        Data::Enum(data) if data.variants.is_empty() => {
            complaints.add(name, format!("`{name}` lists no {noun}"), help);
            return None;
        }
        Data::Enum(data) => return Some(data),
        Data::Struct(data) => data.struct_token.to_token_stream(),
        Data::Union(data) => data.union_token.to_token_stream(),
    };
    complaints.add(keyword, format!("a list of {noun}s is an enum, but `{name}` is not"), help);
    None
}

fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Topic => "RoleEvents",
        Kind::Event => "ClaimAdded",
    }
}

fn names<'v>(
    kind: Kind,
    data: &'v DataEnum,
    complaints: &mut Complaints,
) -> Vec<(&'v Ident, String)> {
    let mut names = Vec::<(&Ident, String)>::new();
    for variant in &data.variants {
        let Some((name, at)) = name_of(kind, variant, complaints) else { continue };
        if let Some((first, _)) = names.iter().find(|(_, other)| *other == name) {
            let what = format!(
                "{} `{name}` stands for both `{first}` and `{}`",
                kind.noun(),
                variant.ident
            );
            complaints.add(at, what, format!("give `{}` another name", variant.ident));
        } else {
            names.push((&variant.ident, name));
        }
    }
    names
}

// The name of a variant and the token that says it.
fn name_of(
    kind: Kind,
    variant: &Variant,
    complaints: &mut Complaints,
) -> Option<(String, TokenStream)> {
    let ident = &variant.ident;
    if !matches!(variant.fields, Fields::Unit) {
        let what = format!("variant `{ident}` has fields, but stands for a name alone");
        let fields = text_of(variant.fields.to_token_stream());
        complaints.add(&variant.fields, what, format!("remove `{fields}`"));
        return None;
    }
    if let Some((sign, value)) = &variant.discriminant {
        let what = format!("variant `{ident}` has a number, but names are found by their order");
        let value = value.to_token_stream();
        let help = format!("remove `= {}`", text_of(value.clone()));
        complaints.add(quote!(#sign #value), what, help);
        return None;
    }
    // Behind `topic =` such a path would be taken for that of a constant.
    let word = ident.unraw().to_string();
    if !is_upper_camel(&word) {
        let what = format!("variant `{ident}` is not told apart from a constant by its case");
        let camel = upper_camel(&word);
        let help = if is_upper_camel(&camel) {
            format!("write `{camel}`")
        } else {
            format!("write a word with small letters, like `{}`", example(kind))
        };
        complaints.add(ident, what, help);
        return None;
    }
    match explicit_name(kind, variant, complaints) {
        Ok(Some(text)) => {
            let fits = judge(
                kind,
                "name",
                &text.value(),
                &text,
                crate::names::Rule::Convention,
                complaints,
            );
            fits.then(|| (text.value(), text.to_token_stream()))
        }
        Ok(None) => {
            let name = suggestion(kind, &ident.unraw().to_string()).as_str().to_owned();
            if name.is_empty() {
                let what = format!("`{ident}` cannot be turned into the name of {}", a(kind));
                let help =
                    format!("write `#[{}(name = \"{}\")]` above it", kind.noun(), kind.example());
                complaints.add(ident, what, help);
                return None;
            }
            Some((name, ident.to_token_stream()))
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

fn explicit_name(
    kind: Kind,
    variant: &Variant,
    complaints: &mut Complaints,
) -> Result<Option<LitStr>, AlreadyReported> {
    let known: &[_] = match kind {
        Kind::Topic => &[("name", "\"role_events\"")],
        Kind::Event => &[("name", "\"CLAIM_ADDED\"")],
    };
    let keys = Keys { attribute: attribute(kind), known, flags: &[], lists: &[] };
    let before = complaints.count();
    let arguments = Arguments::of_attributes(kind.noun(), &variant.attrs);
    let given = Given::judge(arguments, &keys, complaints);
    let Some(value) = given.value("name") else {
        let reported = complaints.count() > before;
        return if reported { Err(AlreadyReported) } else { Ok(None) };
    };
    if let Expr::Lit(literal) = value
        && let Lit::Str(text) = &literal.lit
    {
        return Ok(Some(text.clone()));
    }
    let help = format!("write `name = \"{}\"`", kind.example());
    complaints.add(value, "the `name` of a variant is a text", help);
    Err(AlreadyReported)
}

fn a(kind: Kind) -> &'static str {
    match kind {
        Kind::Topic => "a topic",
        Kind::Event => "an event",
    }
}

fn expand(kind: Kind, input: &DeriveInput, names: &[(&Ident, String)], root: &Path) -> TokenStream {
    let (ident, visibility) = (&input.ident, &input.vis);
    let list = match kind {
        Kind::Topic => quote!(#root::event::Topics),
        Kind::Event => quote!(#root::event::Events),
    };
    let texts = names.iter().map(|(_, name)| name);
    let arms = names.iter().map(|(variant, name)| quote!(Self::#variant => #name));
    let doc = format!("The {}'s name.", kind.noun());
    quote! {
        impl #list for #ident {
            const NAMES: &'static [&'static str] = &[#(#texts),*];
        }

        impl #ident {
            #[doc = #doc]
            #[must_use]
            #visibility const fn as_str(&self) -> &'static str {
                match self { #(#arms),* }
            }
        }

        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derive(kind: Kind, source: &str) -> String {
        derive_list(kind, source.parse().unwrap()).to_string()
    }

    #[test]
    fn a_variant_is_named_by_its_word_in_the_right_case() {
        let source = "enum Topics { RoleEvents, r#User, #[topic(name = \"audit_v2\")] Audit }";
        let expanded = derive(Kind::Topic, source);
        assert!(expanded.contains(r#"& ["role_events" , "user" , "audit_v2"]"#), "{expanded}");
        let expanded = derive(Kind::Event, "enum Events { ClaimAdded, HTTPFailed }");
        assert!(expanded.contains(r#"& ["CLAIM_ADDED" , "HTTP_FAILED"]"#), "{expanded}");
    }

    #[test]
    fn a_variant_that_could_be_a_constant_is_told_its_case() {
        for (word, help) in [
            ("SMS", "write `Sms`"),
            ("SMS_SENT", "write `SmsSent`"),
            ("sms", "write `Sms`"),
            ("V1", "write a word with small letters, like `RoleEvents`"),
        ] {
            let expanded = derive(Kind::Topic, &format!("enum Topics {{ {word} }}"));
            assert!(expanded.contains(&format!("help: {help}")), "{expanded}");
        }
    }

    #[test]
    fn each_variant_is_complained_about_once() {
        let source = "enum Topics { Ab(i64), Bc = 4, #[topic(nam = \"c\")] Cd, Rôle, \
                      #[topic(name = \"D\")] De, Ef, #[topic(name = \"ef\")] Fg, \
                      SMS, #[topic(name = \"h\")] H }";
        let expanded = derive(Kind::Topic, source);
        assert_eq!(expanded.matches("compile_error").count(), 8, "{expanded}");
        assert!(!expanded.contains("impl"), "{expanded}");
    }
}
