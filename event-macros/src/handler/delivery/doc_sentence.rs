//! The options in words, for the documentation of the handler.

use event_names::delivery::{
    ATTEMPTS, BACKOFF, BATCH_MAX, BATCH_WAIT, CONCURRENCY, DeliveryKey, RETRY_ON, TIMEOUT, Unless,
};
use event_names::duration_text;
use quote::ToTokens;

use super::{Delivery, Said};
use crate::tokens::text_of;

impl Delivery {
    /// How records are delivered, as one sentence; `None` where nothing is said but about failures.
    pub(crate) fn sentence(&self, takes_batch: bool) -> Option<String> {
        let mut parts = Vec::new();
        parts.extend(self.order().map(|order| match order.word {
            "key" => "in order for each key".to_owned(),
            "none" => "in no order".to_owned(),
            _ => "in the order of the partition".to_owned(),
        }));
        parts.extend(self.number(&CONCURRENCY).map(|most| format!("at most {most} at once")));
        if takes_batch {
            let (max, wait) = (self.text(&BATCH_MAX), self.text(&BATCH_WAIT));
            parts.push(format!("in batches of up to {max} that wait {wait} for more"));
        }
        if self.get(&TIMEOUT).is_some() {
            parts.push(format!("for {} at most", self.text(&TIMEOUT)));
        }
        let (last, before) = parts.split_last()?;
        Some(if before.is_empty() {
            format!("Records are handled {last}.")
        } else {
            format!("Records are handled {} and {last}.", before.join(", "))
        })
    }

    // A number or a time as it is said, or what holds when nobody says it.
    fn text(&self, key: &DeliveryKey) -> String {
        match (self.get(key), &key.unless_given) {
            (Some(Said::Number(number)), _) => number.to_string(),
            (Some(Said::Duration(ms)), _) => text(*ms),
            (_, Unless::Is(default) | Unless::Handler(default)) => (*default).to_owned(),
            (_, Unless::Setting) => String::new(),
        }
    }

    /// What becomes of a record that fails, as one sentence. `dead_letters` is where it ends.
    pub(crate) fn failure(&self, dead_letters: &str) -> String {
        let on = match self.get(&RETRY_ON) {
            Some(Said::Function(on)) => Some(text_of(on.to_token_stream())),
            _ => None,
        };
        let which = on.as_ref().map_or(String::new(), |on| format!(" that `{on}` accepts"));
        let others = match on {
            Some(_) => "any other, and data that cannot be decoded, goes",
            None => "data that cannot be decoded goes",
        };
        let topics = self.topics().map(|(delays_ms, _)| {
            let delays: Vec<_> = delays_ms.iter().map(|ms| text(*ms)).collect();
            format!("through a topic after {}", delays.join(" and "))
        });
        let attempts = match (self.number(&ATTEMPTS), topics) {
            (Some(1), None) => "not retried but".to_owned(),
            (Some(1), Some(topics)) => format!("retried {topics} and then"),
            (attempts, topics) => {
                let times = match attempts {
                    Some(attempts) => format!("tried {attempts} times"),
                    None => "retried".to_owned(),
                };
                let topics = topics.map_or(String::new(), |topics| format!(", again {topics}"));
                format!("{times} {}{topics} and then", self.delays())
            }
        };
        format!("A failure{which} is {attempts} written to {dead_letters}; {others} there at once.")
    }

    fn delays(&self) -> String {
        match self.get(&BACKOFF) {
            Some(Said::Range(first, longest)) if first == longest => {
                format!("{} apart", text(*first))
            }
            Some(Said::Range(first, longest)) => {
                format!("after delays that grow from {} to {}", text(*first), text(*longest))
            }
            _ => "after growing delays".to_owned(),
        }
    }
}

fn text(ms: u64) -> String {
    duration_text(ms).as_str().to_owned()
}
