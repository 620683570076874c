//! The arguments of an attribute: `topic = "role_events", key = role_id`.
//!
//! Parsing accepts whatever can be distinguished and goes on after a mistake, so that all mistakes of
//! one attribute are reported together. [`AttributeArgs::parse`] then decides which keys are known.

mod attribute_args;
mod keys;
mod listed;
mod values;

pub(crate) use attribute_args::AttributeArgs;
pub(crate) use keys::{Keys, nearest};
pub(crate) use listed::lists_nothing;
pub(crate) use values::{Values, Word};

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Expr, Lit, Meta, Path, Token};

use crate::tokens::{see_through, text_of};

const CRATE_HELP: &str = "write `crate = path::to::event_core`";

/// One argument as written.
pub(crate) enum Argument {
    /// `key = value`.
    Pair { key: Ident, value: Expr },
    /// `key` alone, or a value that is missing.
    Bare(Ident),
    /// `key(..)`.
    List { key: Ident, list: Group },
    /// A value without a key.
    Literal(Lit),
    /// A key whose `=` or value is wrong, with the value that was probably meant.
    Malformed { key: Ident, value: Option<Expr>, error: syn::Error },
    /// `crate = path`.
    Crate { key: Ident, path: Path },
    /// Something else, with what to write when that is known.
    Unreadable { error: syn::Error, help: Option<String> },
}

/// The arguments of one attribute in their order.
pub(crate) struct Arguments(Vec<Argument>);

impl Arguments {
    /// Reads what stands between the parentheses.
    pub(crate) fn read(tokens: TokenStream) -> Self {
        match Self::parse.parse2(see_through(tokens)) {
            Ok(arguments) => arguments,
            Err(error) => Arguments(vec![Argument::Unreadable { error, help: None }]),
        }
    }

    /// Reads what all attributes called `name` say: `#[event(topic = ..)] #[event(name = ..)]`.
    pub(crate) fn of_attributes(name: &str, attributes: &[Attribute]) -> Self {
        let mut all = Arguments(Vec::new());
        for attribute in attributes.iter().filter(|a| a.path().is_ident(name)) {
            match &attribute.meta {
                Meta::Path(_) => {}
                Meta::List(list) => all.0.extend(Self::read(list.tokens.clone()).0),
                Meta::NameValue(_) => {
                    let what = format!("`{name}` has no list of arguments");
                    let error = syn::Error::new_spanned(&attribute.meta, what);
                    let help = Some(format!("write `#[{name}(..)]`"));
                    all.0.push(Argument::Unreadable { error, help });
                }
            }
        }
        all
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Vec::new();
        while !input.is_empty() {
            let unreadable = |error| Argument::Unreadable { error, help: None };
            let argument = argument(input).unwrap_or_else(unreadable);
            // What follows a mistake belongs to it.
            let readable =
                !matches!(argument, Argument::Unreadable { .. } | Argument::Malformed { .. });
            arguments.push(argument);
            if readable && !input.is_empty() && !input.peek(Token![,]) {
                let rest = input.cursor().token_stream().into_iter().next();
                let next = rest.map(|token| token.to_string()).unwrap_or_default();
                arguments.push(Argument::Unreadable {
                    error: input.error("a `,` is missing"),
                    help: Some(format!("write `, {next}`")),
                });
            }
            skip_past_comma(input)?;
        }
        Ok(Arguments(arguments))
    }
}

fn argument(input: ParseStream<'_>) -> syn::Result<Argument> {
    if input.peek(Lit) {
        return input.parse().map(Argument::Literal);
    }
    let key = input.call(Ident::parse_any)?;
    if input.peek(syn::token::Paren) {
        return Ok(Argument::List { key, list: input.parse()? });
    }
    let ends = |input: ParseStream<'_>| input.is_empty() || input.peek(Token![,]);
    let has_sign = input.parse::<Option<Token![=]>>()?.is_some();
    if ends(input) {
        return Ok(Argument::Bare(key));
    }
    if !has_sign {
        let error = input.error(format!("`{key}` is not followed by `=`"));
        return Ok(Argument::Malformed { key, value: meant_value(input), error });
    }
    if key == "crate" {
        return Ok(match input.call(Path::parse_mod_style) {
            Ok(path) => Argument::Crate { key, path },
            Err(error) => Argument::Unreadable {
                error: syn::Error::new(error.span(), "`crate` is a path"),
                help: Some(quoted_path(input).map_or(CRATE_HELP.to_owned(), |path| {
                    format!("write `crate = {}`", text_of(path.to_token_stream()))
                })),
            },
        });
    }
    let value = meant_value(input);
    if input.peek(Token![*]) && !input.peek2(syn::Ident) {
        let star = input.parse::<Token![*]>()?;
        return Ok(Argument::Pair { key, value: Expr::Verbatim(star.into_token_stream()) });
    }
    Ok(match input.parse() {
        Ok(value) => Argument::Pair { key, value },
        Err(error) => Argument::Malformed { key, value, error },
    })
}

// The path in `"path::to::event_core"`.
fn quoted_path(input: ParseStream<'_>) -> Option<Path> {
    input.fork().parse::<syn::LitStr>().ok()?.parse_with(Path::parse_mod_style).ok()
}

// The value behind a wrong sign: that of `: "role_events"`, of `=> "role_events"` or of none.
fn meant_value(input: ParseStream<'_>) -> Option<Expr> {
    let ahead = input.fork();
    let is_sign = |token: &TokenTree| matches!(token, TokenTree::Punct(_));
    while ahead.fork().parse().is_ok_and(|token| is_sign(&token)) {
        ahead.parse::<TokenTree>().ok()?;
    }
    // `topic event = ..` is an argument without a value before another one.
    ahead.parse().ok().filter(|value| matches!(value, Expr::Lit(_) | Expr::Path(_)))
}

fn skip_past_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        if input.parse::<Option<Token![,]>>()?.is_some() {
            break;
        }
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
