//! Finds out that a topic was deleted and made again, which a client may not hear: of a topic that is back
//! soon nobody tells it, and with the new protocol the group only takes the partitions away and gives them
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, ConsumerContext};

use super::assignment::Assignment;
use super::raw::{TopicId, TopicQueue};
use crate::delivery::Epoch;

/// How often it is asked while the partitions are the same.
const EACH: Duration = Duration::from_secs(10);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A topic that is not the one that it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) topic: String,
    /// It had another id before. Without one, a broker may only not have known of it yet.
    pub(super) is_known: bool,
}

/// The ids of the topics that a client has, or had.
pub(super) struct TopicIds {
    queue: TopicQueue,
    known: Known,
    /// An answer is under way.
    is_asked: bool,
    /// Of which epoch the last question was.
    epoch: Epoch,
    due: Instant,
}

impl TopicIds {
    pub(super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<TopicIds> {
        Some(TopicIds {
            queue: TopicQueue::new(consumer)?,
            known: Known::default(),
            is_asked: false,
            epoch: Epoch::default(),
            due: Instant::now(),
        })
    }

    /// Asks when it is due, at once where partitions came; gives the topics that are not those they were.
    pub(super) fn look(&mut self, ours: &Assignment) -> Vec<Changed> {
        if self.is_asked {
            let Some(answer) = self.queue.answer() else { return Vec::new() };
            self.is_asked = false;
            return self.known.take(answer);
        }
        if ours.len() == 0 || ours.last_epoch() == self.epoch && Instant::now() < self.due {
            return Vec::new();
        }
        self.queue.ask(&ours.topics(), TIMEOUT);
        self.is_asked = true;
        (self.epoch, self.due) = (ours.last_epoch(), Instant::now() + EACH);
        Vec::new()
    }
}

/// The first id that was heard of each topic; `None` of one that was gone by then.
#[derive(Default)]
struct Known(BTreeMap<String, Option<TopicId>>);

impl Known {
    /// Takes ids in; gives the topics that had another one.
    fn take(&mut self, ids: Vec<(String, Option<TopicId>)>) -> Vec<Changed> {
        let mut changed = Vec::new();
        for (topic, id) in ids {
            match self.0.get(&topic) {
                Some(known) if id.is_some() && *known != id => {
                    changed.push(Changed { topic, is_known: known.is_some() });
                }
                Some(_) => {}
                None => {
                    self.0.insert(topic, id);
                }
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [Changed; 0] = [];

    fn changed(topic: &str, is_known: bool) -> Changed {
        Changed { topic: topic.to_owned(), is_known }
    }

    fn ids(list: &[(&str, Option<i64>)]) -> Vec<(String, Option<TopicId>)> {
        let id_of = |id| TopicId(7, id);
        list.iter().map(|(topic, id)| ((*topic).to_owned(), id.map(id_of))).collect()
    }

    #[test]
    fn a_topic_is_made_anew_when_its_id_is_another_one() {
        let mut known = Known::default();
        assert_eq!(known.take(ids(&[("a", Some(1)), ("b", Some(2))])), NONE);
        // It is deleted.
        assert_eq!(known.take(ids(&[("a", Some(1)), ("b", None)])), NONE);
        assert_eq!(known.take(ids(&[("a", Some(1)), ("b", Some(3))])), [changed("b", true)]);
        // Until the client is another one.
        assert_eq!(known.take(ids(&[("b", Some(3))])), [changed("b", true)]);
    }

    #[test]
    fn a_topic_that_was_gone_when_it_was_asked_for_is_made_anew_when_it_is_back() {
        let mut known = Known::default();
        assert_eq!(known.take(ids(&[("a", None)])), NONE);
        assert_eq!(known.take(Vec::new()), NONE);
        assert_eq!(known.take(ids(&[("a", Some(1))])), [changed("a", false)]);
    }
}
