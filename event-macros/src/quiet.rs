//! Lints that a user turns on, and that have nothing to say of an expansion.
//!
//! What is quoted where the user's tokens stand is the user's code for a lint, and so is every type
//! that is named once more. Nobody could change what such a lint is about.

use proc_macro2::TokenStream;
use quote::quote;

/// The attribute of everything that is expanded, except for the user's own item.
pub(crate) fn quiet() -> TokenStream {
    quote! {
        #[allow(
            closure_returning_async_block,
            deprecated,
            single_use_lifetimes,
            unit_bindings,
            unused_qualifications,
            clippy::as_conversions,
            clippy::missing_asserts_for_indexing,
            clippy::question_mark_used,
            clippy::same_name_method,
            clippy::shadow_unrelated,
        )]
    }
}

/// The attribute of a handler of the user's.
///
/// It is async, owns its arguments and is called once because we ask for it, whatever it does with them.
pub(crate) fn quiet_handler() -> TokenStream {
    quote! {
        #[allow(
            clippy::missing_const_for_fn,
            clippy::needless_pass_by_value,
            clippy::same_name_method,
            clippy::single_call_fn,
            clippy::unused_async,
        )]
    }
}

/// The attribute of the user's `main`, which no other thread runs.
pub(crate) fn quiet_main() -> TokenStream {
    quote!(#[allow(clippy::future_not_send, clippy::single_call_fn)])
}
