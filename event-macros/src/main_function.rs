//! `#[event_core::main]`: runs an async `main`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Path, ReturnType, Signature, Visibility};

use crate::arguments::{Arguments, AttributeArgs, Keys};
use crate::diagnostics::Diagnostics;
use crate::quiet::quiet_main;
use crate::record;
use crate::tokens::{ends, keyword_of_other_item, root_at};

const KEYS: Keys = Keys { attribute: "#[event_core::main]", known: &[], flags: &[], lists: &[] };

/// An ordinary `main` around the user's own.
pub(crate) fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let root = AttributeArgs::parse(Arguments::read(arguments), &KEYS, &mut diagnostics).root();
    let Ok(signature) = read.parse2(item.clone()) else {
        let what = "`#[event_core::main]` is for the function `main`";
        let help = "write `async fn main() -> event_core::Result { .. }` under it";
        match keyword_of_other_item(item.clone()) {
            Some(keyword) => diagnostics.add(keyword, what, help),
            None => diagnostics.add_at(Span::call_site(), what, help),
        }
        let errors = diagnostics.into_compile_errors();
        return quote!(#item #errors);
    };
    check(&signature, &mut diagnostics);
    if diagnostics.is_empty() {
        let function = run(&item, &signature, &root);
        let noted = record::note(&root);
        return quote!(#function #noted);
    }
    let errors = diagnostics.into_compile_errors();
    if signature.ident == "main" {
        // The compiler would complain about an async `main`, or one with arguments, once more.
        quote!(fn main() { #[allow(dead_code)] #item } #errors)
    } else {
        quote!(#item #errors)
    }
}

fn read(input: ParseStream<'_>) -> syn::Result<Signature> {
    input.call(Attribute::parse_outer)?;
    input.parse::<Visibility>()?;
    let signature = input.parse()?;
    input.parse::<TokenStream>()?;
    Ok(signature)
}

fn check(signature: &Signature, diagnostics: &mut Diagnostics) {
    let name = &signature.ident;
    if name != "main" {
        let what = format!("`#[event_core::main]` is for the function `main`, this is `{name}`");
        return diagnostics.add(name, what, "write `async fn main`");
    }
    if signature.asyncness.is_none() {
        let what = "`main` is not async, and nothing can be awaited in it";
        diagnostics.add(signature.fn_token, what, "write `async fn main`");
    }
    if !signature.inputs.is_empty() {
        let what = "`main` takes no arguments";
        diagnostics.add(&signature.inputs, what, "write `async fn main()`");
    }
    if !signature.generics.params.is_empty() {
        diagnostics.add(&signature.generics, "`main` is not generic", "write `async fn main()`");
    }
}

fn run(item: &TokenStream, signature: &Signature, root: &Path) -> TokenStream {
    let (first, last) = match &signature.output {
        ReturnType::Default => ends(&signature.ident),
        ReturnType::Type(_, ty) => ends(ty),
    };
    let (name, quiet) = (&signature.ident, quiet_main());
    let root = root_at(root, first);
    let call = quote_spanned!(first=> #root::macro_support::run_main);
    let call = quote_spanned!(last=> #call(main()));
    quote! {
        fn #name() -> ::std::process::ExitCode {
            #quiet
            #item

            #call
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_main_runs_inside_an_ordinary_one() {
        let expanded = main(
            quote!(),
            quote!(
                async fn main() -> Result {
                    Ok(())
                }
            ),
        )
        .to_string();
        assert!(expanded.starts_with("fn main () -> :: std :: process :: ExitCode"), "{expanded}");
        assert!(expanded.contains("run_main (main ())"), "{expanded}");
    }

    #[test]
    fn a_mistake_is_one_error() {
        let expanded = main(
            quote!(),
            quote!(
                fn main() {}
            ),
        )
        .to_string();
        assert_eq!(expanded.matches("compile_error").count(), 1, "{expanded}");
    }
}
