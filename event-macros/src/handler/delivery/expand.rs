//! The options as code. `__event` stands for our `macro_support`.

use event_names::duration_text;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{BATCH_MAX, BATCH_WAIT_MS, Delivery, Retry};
use crate::arguments::Word;
use crate::tokens::ends;

impl Delivery {
    /// The call that sets the options; nothing when the attribute says nothing, so that the usual
    /// handler has no word of it.
    pub(crate) fn options(&self, takes_batch: bool) -> Option<TokenStream> {
        let group = self.group.as_ref().map(|group| quote!(.group(#group)));
        let order = self.order.as_ref().map(|order| {
            let order = variant(order);
            quote!(.order(__event::Order::#order))
        });
        let concurrency = self.concurrency.map(|concurrency| quote!(.concurrency(#concurrency)));
        let timeout = self.timeout_ms.map(|ms| quote!(.timeout_ms(#ms)));
        let retry = self.retry.options();
        let batch = self.batch.or(takes_batch.then_some((BATCH_MAX, BATCH_WAIT_MS)));
        let batch = batch.map(|(max, wait)| quote!(.batch(#max, #wait)));
        let failures = self.breaker.failures.map(|failures| quote!(.breaker_failures(#failures)));
        let pause = self.breaker.pause;
        let pause = pause.map(|(first, longest)| quote!(.breaker_pause_ms(#first, #longest)));
        let breaker = quote!(#failures #pause);
        let set = quote!(#group #order #concurrency #timeout #retry #batch #breaker);
        (!set.is_empty()).then(|| quote!(.options(__event::DeliveryOptions::new() #set)))
    }

    /// What only the compiler can judge: whether contracts have the key that gives the order, and
    /// how long the names of retry topics become. `topic` is empty when a contract says it.
    pub(crate) fn judged(
        &self,
        topic: Option<&TokenStream>,
        may_have_contract: bool,
        owner: &str,
    ) -> TokenStream {
        let by_key = self.ordered_by_key().filter(|_| may_have_contract).map(|key| {
            quote_spanned! {key.span()=>
                const _: () = __event::judge_order(__ARGUMENTS, #owner);
            }
        });
        let retry_topics = self.longest_topic_delay().map(|(delay_ms, value)| {
            let none = quote!("");
            let topic = topic.unwrap_or(&none);
            let delay = duration_text(delay_ms);
            let delay = delay.as_str();
            let (first, last) = ends(value);
            let judge = quote_spanned!(first=> __event::judge_retry_topics);
            let call = quote_spanned!(last=> #judge(#topic, __ARGUMENTS, #delay, #owner));
            quote!(const _: () = #call;)
        });
        quote!(#by_key #retry_topics)
    }
}

impl Retry {
    fn options(&self) -> TokenStream {
        let attempts = self.attempts.map(|attempts| quote!(.attempts(#attempts)));
        let backoff = self.backoff_ms.map(|(first, longest)| quote!(.backoff_ms(#first, #longest)));
        let jitter = self.jitter.as_ref().map(|jitter| {
            let jitter = variant(jitter);
            quote!(.jitter(__event::Jitter::#jitter))
        });
        let on = self.on.as_ref().map(|on| quote!(.retry_on(#on)));
        let topics = self.topics.as_ref().map(|topics| {
            let delays = &topics.delays_ms;
            quote!(.retry_topics(const { &[#(::core::time::Duration::from_millis(#delays)),*] }))
        });
        quote!(#attempts #backoff #jitter #on #topics)
    }
}

// `Key` of `key`.
fn variant(word: &Word) -> Ident {
    let (first, rest) = word.word.split_at(1);
    Ident::new(&format!("{}{rest}", first.to_uppercase()), Span::call_site())
}
