//! `#[event_handler]`: registers a function as the handler of one event.

mod check;
mod expand;
mod model;

use proc_macro2::TokenStream;

use crate::arguments::{Arguments, Given, Keys};
use crate::complaints::Complaints;

const KEYS: Keys = Keys {
    attribute: "#[event_handler]",
    known: &[("topic", "\"role_events\""), ("event", "\"CLAIM_ADDED\"")],
};

/// The item, followed by its registration or by what is wrong.
pub(crate) fn event_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut output = item.clone();
    let mut complaints = Complaints::default();
    let given = Given::judge(Arguments::read(arguments), &KEYS, &mut complaints);
    let handler = model::Handler::read(item, &mut complaints);
    let names = check::names(&given, handler.as_ref(), &mut complaints);
    if let Some(handler) = &handler {
        check::signature(handler, &mut complaints);
        if complaints.is_empty() {
            output.extend(expand::registration(handler, &names, &given.root()));
        }
    }
    output.extend(complaints.into_compile_errors());
    output
}
