//! Why a partition may stand still.
//!
//! What is in the way of a handler explains the partitions of its topics, a failed attempt its own
//! partition until the next one is due. Nothing explains the partitions of others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::TopicPartition;
use crate::event::TopicName;

/// The handlers of each topic.
type Handlers = BTreeMap<TopicName, BTreeSet<String>>;

/// Since when partitions and handlers have had no stall reason; ahead of now while they have one.
#[derive(Debug, Default)]
pub(super) struct StallReasons {
    partitions: BTreeMap<TopicPartition, Instant>,
    handlers: BTreeMap<String, Instant>,
    topics: BTreeMap<TopicName, Instant>,
}

impl StallReasons {
    /// Something happened in the partition, and nothing more may for a while.
    pub(super) fn partition(&mut self, partition: &TopicPartition, ahead: Duration) {
        let until = Instant::now() + ahead;
        let known = self.partitions.entry(partition.clone()).or_insert(until);
        *known = until.max(*known);
    }

    /// Nothing is in the way of the handler any more.
    pub(super) fn handler(&mut self, handler: &str) {
        self.handlers.insert(handler.to_owned(), Instant::now());
    }

    /// A record of `partition` may wait on the redrive topic of the handler, whichever partition it has
    /// there: where it is from is all that is known.
    pub(super) fn redriven(
        &mut self,
        handlers: &Handlers,
        partition: &TopicPartition,
        handler: &str,
        ahead: Duration,
    ) {
        let until = Instant::now() + ahead;
        let topics = handlers.iter().filter(|(topic, _)| **topic != partition.topic);
        for (topic, _) in topics.filter(|(_, ids)| ids.contains(handler)) {
            let known = self.topics.entry(topic.clone()).or_insert(until);
            *known = until.max(*known);
        }
    }

    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }

    /// Whether the partition had a stall reason within `time`. `stopped` are handlers that may not run.
    pub(super) fn has(
        &self,
        partition: &TopicPartition,
        time: Duration,
        handlers: &Handlers,
        resting: &[&BTreeSet<String>],
    ) -> bool {
        let is_recent = |at: Option<&Instant>| at.is_some_and(|at| at.elapsed() < time);
        is_recent(self.partitions.get(partition))
            || is_recent(self.topics.get(&partition.topic))
            || handlers.get(&partition.topic).is_some_and(|ids| {
                ids.iter().any(|id| {
                    resting.iter().any(|resting| resting.contains(id))
                        || is_recent(self.handlers.get(id))
                })
            })
    }
}
