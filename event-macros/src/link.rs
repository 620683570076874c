//! `link_handlers!`: keeps crates that only register handlers from being left out by the linker.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Path, Token};

struct Linked {
    name: Ident,
    excepted: bool,
}

/// A `use` and a registration for each crate; for an excepted one the registration alone.
pub(crate) fn link_handlers(crates: TokenStream) -> TokenStream {
    let (root, crates) = match read.parse2(crates) {
        Ok(read) => read,
        Err(error) => return error.to_compile_error(),
    };
    crates.iter().map(|linked| link(linked, &root)).collect()
}

fn read(input: ParseStream<'_>) -> syn::Result<(Path, Vec<Linked>)> {
    let mut root = syn::parse_quote!(::event_core);
    let mut crates = Vec::new();
    while !input.is_empty() {
        if input.peek(Token![crate]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            root = input.call(Path::parse_mod_style)?;
        } else {
            crates.push(linked(input)?);
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    if crates.is_empty() {
        let what =
            "`link_handlers!` names no crate\nhelp: write `link_handlers!(billing_handlers)`";
        return Err(input.error(what));
    }
    Ok((root, crates))
}

fn linked(input: ParseStream<'_>) -> syn::Result<Linked> {
    let wrong = |error: syn::Error| {
        let what = "this is not the name of a crate\nhelp: write the name that follows `use`, \
                    such as `billing_handlers`";
        syn::Error::new(error.span(), what)
    };
    let first = input.call(Ident::parse_any).map_err(wrong)?;
    // A crate may be called `except`: it is the word only before a name.
    let excepted = first == "except" && input.peek(syn::Ident::peek_any);
    let name = if excepted { input.parse().map_err(wrong)? } else { first };
    Ok(Linked { name, excepted })
}

fn link(linked: &Linked, root: &Path) -> TokenStream {
    let Linked { name, excepted } = linked;
    let text = name.unraw().to_string();
    let link = (!excepted).then(|| quote_spanned!(name.span()=> use ::#name as _;));
    quote! {
        #link
        const _: () = {
            #root::macro_support::inventory::submit! {
                #root::registry::LinkedCrate { name: #text, excepted: #excepted }
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
        let expanded = link_handlers(quote!("billing")).to_string();
        assert!(expanded.contains("not the name of a crate"), "{expanded}");
        assert!(link_handlers(quote!()).to_string().contains("names no crate"));
    }
}
