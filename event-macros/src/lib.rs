//! The attributes and derives of event-core.
//!
//! Each macro is a pipeline, one stage a file: arguments are parsed, a model of the item is made,
//! checks judge it, and the expansion only quotes. The user's item is always emitted, so that a
//! mistake in an attribute is one error and an editor keeps working.

mod arguments;
mod complaints;
mod contract;
mod handler;
mod link;
mod list;
mod main_function;
mod names;
mod tokens;

use event_names::Kind;
use proc_macro::TokenStream;

/// x
#[proc_macro_attribute]
pub fn event_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::event_handler(arguments.into(), item.into()).into()
}

/// x
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    main_function::main(arguments.into(), item.into()).into()
}

/// x
#[proc_macro]
pub fn link_handlers(crates: TokenStream) -> TokenStream {
    link::link_handlers(crates.into()).into()
}

/// x
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(item: TokenStream) -> TokenStream {
    contract::derive_event(item.into()).into()
}

/// x
#[proc_macro_derive(Topics, attributes(topic))]
pub fn derive_topics(item: TokenStream) -> TokenStream {
    list::derive_list(Kind::Topic, item.into()).into()
}

/// x
#[proc_macro_derive(Events, attributes(event))]
pub fn derive_events(item: TokenStream) -> TokenStream {
    list::derive_list(Kind::Event, item.into()).into()
}
