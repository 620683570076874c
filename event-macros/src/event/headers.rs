//! The headers that fields of a contract become.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{LitStr, Token};

use super::model::{ContractType, plain_name};
use crate::arguments::{AttributeArgs, lists_nothing, nearest};
use crate::diagnostics::Diagnostics;
use crate::tokens::text_of;

/// A header and the field whose value it is.
pub(crate) struct FieldHeader {
    pub(crate) name: String,
    pub(crate) field: Ident,
    /// The name as written, where it differs from the field's.
    written: Option<LitStr>,
}

// What every record that a service sends, or dead-letters, may carry besides.
const OURS: [&str; 3] = ["causation_id", "traceparent", "tracestate"];
const OURS_IN_DEAD_LETTERS: &str = "dlq.";

// As long as any other name may be.
const MAX_BYTES: usize = event_names::MAX_BYTES;

impl FieldHeader {
    // Whether neither its field nor its name is among those before it.
    fn is_new(&self, before: &[FieldHeader], diagnostics: &mut Diagnostics) -> bool {
        let (name, field) = (&self.name, &self.field);
        if before.iter().any(|other| other.field == *field) {
            let tokens = match &self.written {
                Some(text) => quote!(#field = #text),
                None => field.to_token_stream(),
            };
            let what = format!("field `{field}` becomes a header a second time");
            let help = format!("remove `{}`", text_of(tokens.clone()));
            diagnostics.add(tokens, what, help);
            return false;
        }
        if let Some(first) = before.iter().find(|other| other.name == *name) {
            let what = format!("header `{name}` stands for both `{}` and `{field}`", first.field);
            diagnostics.add(self, what, format!("give `{field}` another name"));
            return false;
        }
        true
    }

    fn has_a_right_name(&self, diagnostics: &mut Diagnostics) -> bool {
        let name = &self.name;
        let (what, instead) = if name.is_empty() {
            (format!("the header of `{}` has no name", self.field), self.field.unraw().to_string())
        } else if name.len() > MAX_BYTES {
            let what =
                format!("header name is {} bytes long, the limit is {MAX_BYTES}", name.len());
            diagnostics.add(self, what, "shorten it");
            return false;
        } else if name.contains(char::is_control) {
            let what = format!("header `{}` has a control character", name.escape_debug());
            let printable: String = name.chars().filter(|c| !c.is_control()).collect();
            (what, if is_ours(&printable) { String::new() } else { printable })
        } else if is_ours(name) {
            let rest = name.strip_prefix(OURS_IN_DEAD_LETTERS);
            let instead = rest.map_or_else(|| format!("x-{name}"), ToOwned::to_owned);
            (format!("header `{name}` is one that event-core sets itself"), instead)
        } else {
            return true;
        };
        let instead = if instead.is_empty() || is_ours(&instead) { "x-source" } else { &instead };
        let help = match &self.written {
            Some(_) => format!("write `\"{instead}\"`"),
            None => format!("write `{} = \"{instead}\"`", self.field),
        };
        diagnostics.add(self, what, help);
        false
    }
}

fn is_ours(name: &str) -> bool {
    OURS.contains(&name) || name.starts_with(OURS_IN_DEAD_LETTERS)
}

// The token that says the name.
impl ToTokens for FieldHeader {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.written {
            Some(text) => text.to_tokens(tokens),
            None => self.field.to_tokens(tokens),
        }
    }
}

/// Validates `headers(tenant, source = "x-source")`.
pub(crate) fn headers(
    args: &AttributeArgs,
    contract: &ContractType<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<FieldHeader> {
    let Some((key, list)) = args.list("headers") else { return Vec::new() };
    let what = "`headers` lists fields, each with the name of its header if that differs";
    let parser = Punctuated::<Header, Token![,]>::parse_terminated;
    let listed = match parser.parse2(list.stream()) {
        Ok(listed) => listed,
        Err(error) => {
            diagnostics.add_at(
                error.span(),
                what,
                "write `headers(tenant, source = \"x-source\")`",
            );
            return Vec::new();
        }
    };
    if listed.is_empty() {
        lists_nothing(key, list, diagnostics);
    }
    let fields: Vec<_> = contract.fields.iter().flatten().map(|f| plain_name(f)).collect();
    let mut headers = Vec::new();
    for header in listed {
        match header {
            Header::Field(header) => headers.push(header),
            Header::Text(text) => {
                let name = text.value();
                let help = match nearest(&name, fields.iter().map(String::as_str)) {
                    Some(field) if field == name => format!("write `{field}`"),
                    Some(field) => format!("write `{field} = \"{name}\"`"),
                    None => format!("write `tenant = \"{name}\"` for a field `tenant`"),
                };
                diagnostics.add(text, what, help);
            }
        }
    }
    let mut known = Vec::new();
    for header in headers {
        if contract.has_field(&header.field) {
            if header.is_new(&known, diagnostics) && header.has_a_right_name(diagnostics) {
                known.push(header);
            }
            continue;
        }
        let word = header.field.to_string();
        let what = format!("`{word}` is not a field of contract `{}`", contract.name());
        let help = match nearest(&word, fields.iter().map(String::as_str)) {
            Some(field) => format!("write `{field}`"),
            None => format!("the fields are `{}`", fields.join("`, `")),
        };
        diagnostics.add(&header.field, what, help);
    }
    known
}

/// What stands where a field belongs.
enum Header {
    Field(FieldHeader),
    Text(LitStr),
}

impl Parse for Header {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            input.parse().map(Header::Text)
        } else {
            input.parse().map(Header::Field)
        }
    }
}

impl Parse for FieldHeader {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let field = input.parse::<Ident>()?;
        let written = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse::<LitStr>()?),
            None => None,
        };
        let name = written.as_ref().map_or_else(|| field.unraw().to_string(), LitStr::value);
        Ok(FieldHeader { name, field, written })
    }
}

#[cfg(test)]
mod tests {
    use crate::event::derive_event;

    fn errors(headers: &str) -> Vec<String> {
        let source = format!(
            "#[event(topic = \"a\", name = \"A\", headers({headers}))] \
             struct A {{ tenant: i64, source: i64, traceparent: i64 }}"
        );
        let expanded = derive_event(source.parse().unwrap()).to_string();
        let errors = expanded.split("compile_error").skip(1);
        errors.map(|error| error.split('}').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn a_header_has_a_name_of_its_own() {
        for right in ["tenant, source = \"x-source\"", "tenant = \"a b\"", "tenant = \"dlq\""] {
            assert!(errors(right).is_empty(), "{right}");
        }
        let long = format!("tenant = \"{}\"", "a".repeat(250));
        for (wrong, what, help) in [
            ("tenant = \"\"", "has no name", r#"write `\"tenant\"`"#),
            ("tenant = \"a\\nb\"", "has a control character", r#"write `\"ab\"`"#),
            ("tenant = \"\\n\"", "has a control character", r#"write `\"x-source\"`"#),
            (&long, "250 bytes long, the limit is 249", "shorten it"),
            ("tenant = \"causation_id\"", "sets itself", r#"write `\"x-causation_id\"`"#),
            ("tenant = \"tracestate\"", "sets itself", r#"write `\"x-tracestate\"`"#),
            ("traceparent", "sets itself", r#"write `traceparent = \"x-traceparent\"`"#),
            ("tenant = \"dlq.id\"", "sets itself", r#"write `\"id\"`"#),
            ("tenant = \"dlq.\"", "sets itself", r#"write `\"x-source\"`"#),
            ("tenant, tenant", "a second time", "remove `tenant`"),
            ("tenant, tenant = \"b\"", "a second time", r#"remove `tenant = \"b\"`"#),
            ("tenant, source = \"tenant\"", "both `tenant` and `source`", "give `source`"),
        ] {
            let errors = errors(wrong);
            assert_eq!(errors.len(), 1, "{wrong}: {errors:?}");
            assert!(errors[0].contains(what) && errors[0].contains(help), "{wrong}: {errors:?}");
        }
    }
}
