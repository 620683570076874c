//! `link_handlers!`: keeps crates that only register handlers from being left out by the linker.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Path, Token};

use crate::diagnostics::Diagnostics;
use crate::quiet::quiet;
use crate::record;

struct Linked {
    name: Ident,
    excepted: bool,
}

/// A `use` and a registration for each crate; for an excepted one the registration alone.
pub(crate) fn link_handlers(crates: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let parser = |input: ParseStream<'_>| read(input, &mut diagnostics);
    let (root, crates) = match parser.parse2(crates) {
        Ok(read) => read,
        Err(error) => return error.to_compile_error(),
    };
    if crates.is_empty() && diagnostics.is_empty() {
        let what = "`link_handlers!` names no crate";
        diagnostics.add_at(Span::call_site(), what, "write `link_handlers!(billing_handlers)`");
    }
    let linked: TokenStream = crates.iter().map(|linked| link(linked, &root)).collect();
    let errors = diagnostics.into_compile_errors();
    let noted = record::note(&root);
    quote!(#linked #noted #errors)
}

fn read(input: ParseStream<'_>, diagnostics: &mut Diagnostics) -> syn::Result<(Path, Vec<Linked>)> {
    let mut root = syn::parse_quote!(::event_core);
    let mut crates = Vec::new();
    while !input.is_empty() {
        if input.parse::<Option<Token![crate]>>()?.is_some() {
            input.parse::<Token![=]>()?;
            root = input.call(Path::parse_mod_style)?;
        } else {
            match linked(input) {
                Ok(linked) => crates.push(linked),
                Err(error) => {
                    let help = "write the name that follows `use`, such as `billing_handlers`";
                    diagnostics.add_at(error.span(), "this is not the name of a crate", help);
                    input.parse::<TokenTree>()?;
                }
            }
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok((root, crates))
}

fn linked(input: ParseStream<'_>) -> syn::Result<Linked> {
    let first = input.call(Ident::parse_any)?;
    // A crate may be called `except`: it is the word only before a name.
    let excepted = first == "except" && input.peek(syn::Ident::peek_any);
    let name = if excepted { input.parse()? } else { first };
    Ok(Linked { name, excepted })
}

fn link(linked: &Linked, root: &Path) -> TokenStream {
    let Linked { name, excepted } = linked;
    let text = name.unraw().to_string();
    let ids = record::ids_of(&text);
    let link = (!excepted).then(|| quote_spanned!(name.span()=> use ::#name as _;));
    let quiet = quiet();
    quote! {
        #link
        #quiet
        const _: () = {
            #root::macro_support::inventory::submit! {
                #root::registry::LinkedCrate { name: #text, excepted: #excepted, ids: #ids }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excepted_crate_is_registered_and_not_used() {
        let expanded = link_handlers(quote!(billing, except audit)).to_string();
        assert!(expanded.contains("use :: billing as _"), "{expanded}");
        assert!(!expanded.contains("use :: audit"), "{expanded}");
        assert!(expanded.contains("name : \"audit\" , excepted : true"), "{expanded}");
    }

    #[test]
    fn a_crate_may_be_called_except() {
        let expanded = link_handlers(quote!(except)).to_string();
        assert!(expanded.contains("name : \"except\" , excepted : false"), "{expanded}");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let expanded = link_handlers(quote!("billing", audit, 5)).to_string();
        assert_eq!(expanded.matches("not the name of a crate").count(), 2, "{expanded}");
        assert!(expanded.contains("use :: audit as _"), "{expanded}");
        assert!(link_handlers(quote!()).to_string().contains("names no crate"));
    }
}
