//! The options in words, for the documentation of the handler.

use event_names::duration_text;
use quote::ToTokens;

use super::{BATCH_MAX, BATCH_WAIT_MS, Delivery};
use crate::tokens::text_of;

impl Delivery {
    /// How records are delivered, as one sentence; `None` where nothing is said but about failures.
    pub(crate) fn sentence(&self, takes_batch: bool) -> Option<String> {
        let mut parts = Vec::new();
        if self.order.is_some() {
            parts.push(match self.order() {
                "key" => "in order for each key".to_owned(),
                "none" => "in no order".to_owned(),
                _ => "in the order of the partition".to_owned(),
            });
        }
        parts.extend(self.concurrency.map(|most| format!("at most {most} at once")));
        let batch = self.batch.or(takes_batch.then_some((BATCH_MAX, BATCH_WAIT_MS)));
        parts.extend(batch.map(|(max, wait_ms)| {
            format!("in batches of up to {max} that wait {} for more", text(wait_ms))
        }));
        parts.extend(self.timeout_ms.map(|ms| format!("for {} at most", text(ms))));
        let (last, before) = parts.split_last()?;
        Some(if before.is_empty() {
            format!("Records are handled {last}.")
        } else {
            format!("Records are handled {} and {last}.", before.join(", "))
        })
    }

    /// What becomes of a record that fails, as one sentence. `dead_letters` is where it ends.
    pub(crate) fn failure(&self, dead_letters: &str) -> String {
        let on = self.retry.on.as_ref().map(|on| text_of(on.to_token_stream()));
        let which = on.as_ref().map_or(String::new(), |on| format!(" that `{on}` accepts"));
        let others = match on {
            Some(_) => "any other, and data that cannot be decoded, goes",
            None => "data that cannot be decoded goes",
        };
        let topics = self.retry.topics.as_ref().map(|topics| {
            let delays: Vec<_> = topics.delays_ms.iter().map(|ms| text(*ms)).collect();
            format!("through a topic after {}", delays.join(" and "))
        });
        let attempts = match (self.retry.attempts, topics) {
            (Some(1), None) => "not tried again but".to_owned(),
            (Some(1), Some(topics)) => format!("tried again {topics} and then"),
            (attempts, topics) => {
                let times = match attempts {
                    Some(attempts) => format!("tried {attempts} times"),
                    None => "tried again".to_owned(),
                };
                let topics = topics.map_or(String::new(), |topics| format!(", again {topics}"));
                format!("{times} {}{topics} and then", self.delays())
            }
        };
        format!("A failure{which} is {attempts} written to {dead_letters}; {others} there at once.")
    }

    fn delays(&self) -> String {
        match self.retry.backoff_ms {
            Some((first, longest)) if first == longest => format!("{} apart", text(first)),
            Some((first, longest)) => {
                format!("after delays that grow from {} to {}", text(first), text(longest))
            }
            None => "after growing delays".to_owned(),
        }
    }
}

fn text(ms: u64) -> String {
    duration_text(ms).as_str().to_owned()
}
