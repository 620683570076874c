//! stub
use proc_macro2::TokenStream;
use quote::quote;
pub(crate) fn main(_a: TokenStream, item: TokenStream) -> TokenStream {
    quote! {
        fn main() -> ::std::process::ExitCode {
            #item
            ::event_core::macro_support::run_main(main())
        }
    }
}
