//! Everything that is wrong with one attribute, reported together.
//!
//! Each diagnostic is one mistake at its smallest wrong token, in two lines: what is wrong, then
//! `help:` with the code to type. A check that follows from an earlier mistake stays silent.
//!
//! A mistake in a text or in the form of a function is found by the macro. A mistake in the value of a constant, or
//! between attribute and contract, is found by a `const fn` of `macro_support` that panics while compiling, in a
//! constant that stands at the wrong token. A type that does not fit is found by the compiler, with the words of
//! `#[diagnostic::on_unimplemented]`.
//!
//! For one mistake to be one error, the code that the macro makes mentions a type always in the same form, `<Type
//! as Trait>::member`, with the span of the type: equal errors at one place are reported once. A bound that would
//! be reported with its own words, such as serde's, stands behind a trait of ours with
//! `#[diagnostic::do_not_recommend]`. A derive that refuses its type implements the trait all the same, so that
//! those who use the type are not reported as well.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Diagnostics(Vec<syn::Error>);

impl Diagnostics {
    /// Complains about the tokens `at`.
    pub(crate) fn add(&mut self, at: impl ToTokens, what: impl Display, help: impl Display) {
        self.0.push(syn::Error::new_spanned(at, format!("{what}\nhelp: {help}")));
    }

    /// Complains about a place that is no single token, such as something missing from the attribute.
    pub(crate) fn add_at(&mut self, at: Span, what: impl Display, help: impl Display) {
        self.0.push(syn::Error::new(at, format!("{what}\nhelp: {help}")));
    }

    /// Complains about what could not be parsed, in the parser's words.
    pub(crate) fn add_error(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// How many mistakes there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }

    /// The messages alone.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}
