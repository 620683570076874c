//! The options as code. `__event` stands for our `macro_support`.

use event_names::duration_text;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{Delivery, Said};
use crate::tokens::ends;

impl Delivery {
    /// The call that sets the options; nothing when the attribute says nothing, so that the usual
    /// handler has no word of it.
    pub(crate) fn options(&self) -> Option<TokenStream> {
        let set = self.said.iter().map(|(key, said)| {
            let ident = |name: String| Ident::new(&name, Span::call_site());
            let (name, name_ms) = (ident(key.name.to_owned()), ident(format!("{}_ms", key.name)));
            match said {
                Said::Number(number) => quote!(.#name(#number)),
                Said::Duration(ms) => quote!(.#name_ms(#ms)),
                Said::Range(first, longest) => quote!(.#name_ms(#first, #longest)),
                Said::Durations(ms, _) => {
                    quote!(.#name(const { &[#(::core::time::Duration::from_millis(#ms)),*] }))
                }
                // Its type is named as the key: `Order::Key` of `order = key`.
                Said::Word(word) => {
                    let (ty, variant) = (ident(camel(key.name)), ident(camel(word.word)));
                    quote!(.#name(__event::#ty::#variant))
                }
                Said::Function(path) => quote!(.#name(#path)),
                Said::Label(text) => quote!(.#name(#text)),
            }
        });
        let set: TokenStream = set.collect();
        (!set.is_empty()).then(|| quote!(.options(__event::DeliveryOptions::new() #set)))
    }

    /// What only the compiler can validate: whether contracts have the key that gives the order, and
    /// how long the names of retry topics become. `topic` is empty when a contract says it.
    pub(crate) fn validated(
        &self,
        topic: Option<&TokenStream>,
        may_have_contract: bool,
        owner: &str,
    ) -> TokenStream {
        let by_key = self.ordered_by_key().filter(|_| may_have_contract).map(|key| {
            quote_spanned! {key.span()=>
                const _: () = __event::validate_order(__ARGUMENTS, #owner);
            }
        });
        let retry_topics = self.longest_topic_delay().map(|(delay_ms, value)| {
            let none = quote!("");
            let topic = topic.unwrap_or(&none);
            let delay = duration_text(delay_ms);
            let delay = delay.as_str();
            let (first, last) = ends(value);
            let validate = quote_spanned!(first=> __event::validate_retry_topics);
            let call = quote_spanned!(last=> #validate(#topic, __ARGUMENTS, #delay, #owner));
            quote!(const _: () = #call;)
        });
        quote!(#by_key #retry_topics)
    }
}

// `Key` of `key`.
fn camel(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}
