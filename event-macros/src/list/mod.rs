//! `#[derive(Topics)]` and `#[derive(Events)]`: closed lists of names.

mod variants;
mod expand;
mod stand_in;

use event_names::Kind;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Data, DataEnum, DeriveInput};

use crate::arguments::{Arguments, AttributeArgs, Keys};
use crate::diagnostics::Diagnostics;
use crate::names::Rule;
use crate::record;
use crate::tokens::{see_through, text_of};

/// What the expansion says of a list.
struct List<'i> {
    kind: Kind,
    input: &'i DeriveInput,
    /// The names where a variant's number finds them.
    names: Vec<String>,
    variants: Vec<Listed<'i>>,
    /// Whether a name follows Kafka's rules instead of the convention.
    has_foreign_names: bool,
}

/// A variant and the name it stands for.
struct Listed<'i> {
    ident: &'i Ident,
    name: String,
    rule: Rule,
    /// Whether it stands for the name alone. Only a list that is wrong has others.
    is_unit: bool,
}

/// The implementations, or what is wrong.
pub(crate) fn derive_list(kind: Kind, item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(see_through(item)) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut diagnostics = Diagnostics::default();
    let on_enum =
        Keys { attribute: attribute(kind), known: &[], flags: &["foreign_names"], lists: &[] };
    let arguments = Arguments::of_attributes(kind.noun(), &input.attrs);
    let args = AttributeArgs::parse(arguments, &on_enum, &mut diagnostics);
    let (rule, root) = (rule(&args), args.root());
    let data = enum_of(kind, &input, &mut diagnostics);
    let variants = match data {
        Some(data) => variants::variants(kind, rule, data, &mut diagnostics),
        None => Vec::new(),
    };
    if diagnostics.is_empty() {
        let mut output = expand::list(&List::of(kind, &input, variants), &root);
        output.extend(record::note(&root));
        return output;
    }
    // With a stand-in for the list, so that what uses it is not reported as well.
    let errors = diagnostics.into_compile_errors();
    let stand_in = stand_in::list(kind, rule, &input).map(|list| expand::list(&list, &root));
    quote!(#errors #stand_in)
}

impl<'i> List<'i> {
    fn of(kind: Kind, input: &'i DeriveInput, variants: Vec<Listed<'i>>) -> Self {
        let names = variants.iter().map(|variant| variant.name.clone()).collect();
        let has_foreign_names = variants.iter().any(|variant| variant.rule == Rule::Foreign);
        List { kind, input, names, variants, has_foreign_names }
    }
}

fn rule(args: &AttributeArgs) -> Rule {
    if args.means("foreign_names") { Rule::Foreign } else { Rule::Convention }
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
    diagnostics: &mut Diagnostics,
) -> Option<&'i DataEnum> {
    let (name, noun) = (&input.ident, kind.noun());
    let help = format!("write `enum {name} {{ {} }}`", example(kind));
    let keyword = match &input.data {
        Data::Enum(_) if !input.generics.params.is_empty() => {
            let what = format!("`{name}` is generic, but a list of {noun}s is one list");
            diagnostics.add(
                &input.generics,
                what,
                format!("remove `{}`", text_of(input.generics.to_token_stream())),
            );
            return None;
        }
        Data::Enum(data) if data.variants.is_empty() => {
            diagnostics.add(name, format!("`{name}` lists no {noun}"), help);
            return None;
        }
        Data::Enum(data) => return Some(data),
        Data::Struct(data) => data.struct_token.to_token_stream(),
        Data::Union(data) => data.union_token.to_token_stream(),
    };
    diagnostics.add(keyword, format!("a list of {noun}s is an enum, but `{name}` is not"), help);
    None
}

fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Topic => "RoleEvents",
        Kind::Event => "ClaimAdded",
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
    fn the_help_of_an_upper_case_variant_names_its_case() {
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
    }

    #[test]
    fn a_foreign_name_is_held_to_kafkas_limits_alone() {
        for source in [
            "enum Topics { #[topic(name = \"Orders.v1\", foreign_names)] Orders, RoleEvents }",
            "#[topic(foreign_names)] enum Topics { #[topic(name = \"Orders.v1\")] Orders, RoleEvents }",
        ] {
            let expanded = derive(Kind::Topic, source);
            assert!(!expanded.contains("compile_error"), "{expanded}");
            assert!(expanded.contains(r#"& ["Orders.v1" , "role_events"]"#), "{expanded}");
            assert!(expanded.contains("FOREIGN_NAMES : bool = true"), "{expanded}");
        }
        let source = "enum Topics { #[topic(name = \"Orders.v1\", foreign_names)] Orders, \
                      #[topic(name = \"a/b\", foreign_names)] Ab, #[topic(name = \"Users\")] Users, \
                      #[topic(foreign_names)] RoleEvents }";
        let expanded = derive(Kind::Topic, source);
        for help in [
            r#"write `name = \"a_b\"`"#,
            r#"write `name = \"users\"`"#,
            r#"write `name = \"role_events\", foreign_names`"#,
        ] {
            assert!(expanded.contains(help), "{help}: {expanded}");
        }
        assert_eq!(expanded.matches("compile_error").count(), 3, "{expanded}");
    }

    #[test]
    fn a_list_that_is_wrong_has_the_names_that_were_probably_meant() {
        for (variants, names) in [
            ("Ab, Bc(i64), Cd { a: i64 }, De", r#""ab" , "bc" , "cd" , "de""#),
            ("#[topic(name = \"RoleEvents\")] Roles", r#""role_events""#),
            ("#[topic(nam = \"users_v2\")] Users", r#""users_v2""#),
            ("#[topic(name = \"a.b\", foreign_names, x)] Ab", r#""a.b""#),
            ("#[topic(name = \"a/b\", foreign_names)] Ab", r#""a_b""#),
            ("Ab = 2, Bc", r#""" , "" , "ab" , "bc""#),
            ("Ab = 1_000_000_000, Bc = -1, Cd = 0", r#""cd""#),
            ("Rôle, Ab", r#""" , "ab""#),
            ("Ab, #[topic(name = \"ab\")] Bc", r#""ab" , "ab""#),
            ("", ""),
        ] {
            let expanded = derive(Kind::Topic, &format!("enum Topics {{ {variants} }}"));
            assert!(expanded.contains("compile_error"), "{expanded}");
            let names = format!("NAMES : & 'static [& 'static str] = & [{names}]");
            assert!(expanded.contains(&names), "{names}: {expanded}");
        }
        for source in ["struct Topics;", "enum Topics<T> { A(T) }"] {
            assert!(!derive(Kind::Topic, source).contains("impl"));
        }
    }
}
