//! What the attribute adds to the documentation of a handler.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};

use super::attribute_rules::{EventValue, Options};
use super::model::Handler;
use crate::names::NameValue;
use crate::quiet::quiet_handler;
use crate::tokens::text_of;

/// The item, with what it handles and how at the end of its documentation, once for each attribute.
pub(crate) fn documented<'o>(
    item: TokenStream,
    handler: &Handler,
    attributes: impl Iterator<Item = &'o Options>,
) -> TokenStream {
    let lines = attributes.flat_map(|options| lines(handler, options));
    let mut tokens = item.into_iter().peekable();
    let mut output = TokenStream::new();
    // Behind the item's own attributes, of which its documentation is one.
    while matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#') {
        output.extend(tokens.by_ref().take(2));
    }
    output.extend(quote!(#(#[doc = #lines])*));
    output.extend(quiet_handler());
    output.extend(tokens);
    output
}

fn lines(handler: &Handler, options: &Options) -> Vec<String> {
    let records = match &options.event {
        Some(EventValue::Name(name)) => format!("the event {}", shown(name)),
        Some(EventValue::CatchAll(_)) => "every event that no other handler takes".to_owned(),
        Some(EventValue::Tombstones(_)) => "the records without a value".to_owned(),
        None => {
            let mut possible = handler.arguments.iter().filter(|a| a.may_have_contract());
            let first = possible.clone().next();
            let payload = possible.find(|a| a.name.as_deref() == Some("Event")).or(first);
            let payload = payload.map_or_else(String::new, |a| format!(" in `{}`", a.text()));
            format!("the event{payload}")
        }
    };
    let topic = match &options.topic {
        Some(topic) => format!(" of the topic {}", shown(topic)),
        None => String::new(),
    };
    let dead_letters = match &options.dead_letter {
        Some(topic) => format!("the topic {}", shown(topic)),
        None => "the dead-letter topic".to_owned(),
    };
    let group = match options.delivery.group() {
        Some(group) => format!("`{}`", group.value()),
        None => "of the service".to_owned(),
    };
    let delivery =
        options.delivery.sentence(handler.batch().is_some()).map(|sentence| format!(" {sentence}"));
    let failure = options.delivery.failure(&dead_letters);
    vec![
        String::new(),
        format!(
            " Handles {records}{topic}, in the consumer group {group}.{}",
            delivery.unwrap_or_default()
        ),
        String::new(),
        format!(
            " Delivery is at least once: after a crash or a rebalance a record may come again. \
             {failure}"
        ),
    ]
}

fn shown(name: &NameValue) -> String {
    let text = match name {
        NameValue::Text(text) => text.value(),
        NameValue::Const(path) => text_of(path.to_token_stream()),
        NameValue::Variant { variant, .. } => text_of(variant.to_token_stream()),
    };
    format!("`{text}`")
}
