//! stub
use proc_macro::TokenStream;
/// x
#[proc_macro_attribute]
pub fn event_handler(_a: TokenStream, i: TokenStream) -> TokenStream {
    i
}
/// x
#[proc_macro_attribute]
pub fn main(_a: TokenStream, i: TokenStream) -> TokenStream {
    i
}
/// x
#[proc_macro]
pub fn link_handlers(_i: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// x
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(_i: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// x
#[proc_macro_derive(Topics, attributes(topic))]
pub fn derive_topics(_i: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// x
#[proc_macro_derive(Events, attributes(event))]
pub fn derive_events(_i: TokenStream) -> TokenStream {
    TokenStream::new()
}
