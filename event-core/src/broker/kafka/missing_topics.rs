//! Whether the topics of a member that is not in its group exist.
//!
//! librdkafka does not join a group for topics that are not there, and says so only once in a while: after an
//! outage its last error is of something else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, ConsumerContext};

use super::raw::{TopicId, TopicQueue};
use crate::event::TopicName;

/// How often it is asked.
const EACH: Duration = Duration::from_secs(5);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What the cluster said last of the topics of a member.
pub(super) struct MissingTopics {
    queue: TopicQueue,
    is_asked: bool,
    due: Instant,
    are_missing: bool,
}

impl MissingTopics {
    pub(super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<MissingTopics> {
        let (queue, due) = (TopicQueue::new(consumer)?, Instant::now());
        Some(MissingTopics { queue, is_asked: false, due, are_missing: false })
    }

    /// The member is in its group: what it said before says nothing of the next time.
    pub(super) fn forget(&mut self) {
        (self.are_missing, self.due) = (false, Instant::now());
    }

    /// Asks when it is due; whether none of `topics` existed when the cluster answered last.
    pub(super) fn look(&mut self, topics: &[TopicName]) -> bool {
        if self.is_asked {
            if let Some((_, answer)) = self.queue.answer() {
                self.is_asked = false;
                self.are_missing = after(self.are_missing, topics.len(), &answer);
            }
        } else if self.due <= Instant::now() {
            self.queue.ask(0, topics, TIMEOUT);
            (self.is_asked, self.due) = (true, Instant::now() + EACH);
        }
        self.are_missing
    }
}

/// Whether all topics are missing after an answer. One that does not name all of them is none, or that of a
/// broker that knows no ids.
fn after(before: bool, topics: usize, answer: &[(String, Option<TopicId>)]) -> bool {
    match answer.len() == topics {
        true => answer.iter().all(|(_, id)| id.is_none()),
        false => before && answer.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_missing_until_the_cluster_says_otherwise() {
        let gone = ("a_redrive".to_owned(), None);
        let there = ("b_redrive".to_owned(), Some(TopicId(7, 1)));
        assert!(after(false, 2, &[gone.clone(), gone.clone()]));
        assert!(!after(true, 2, &[gone.clone(), there]));
        // An outage.
        assert!(after(true, 2, &[]));
        assert!(!after(false, 2, &[]));
        // The one that is there has no id.
        assert!(!after(true, 2, &[gone]));
    }
}
