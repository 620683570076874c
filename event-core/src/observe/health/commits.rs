//! Whether commits arrive.
//!
//! A commit that fails says nothing of its partitions, and one that succeeds names them. So a failure is
//! counted against every partition that has a commit under way, until one of its own is acknowledged: what
//! others commit explains nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::{NextOffset, TopicPartition};

#[derive(Debug, Default)]
pub(super) struct CommitsUnderWay {
    sent: BTreeMap<TopicPartition, Sent>,
    /// What failed last.
    error: String,
}

#[derive(Debug)]
struct Sent {
    next: NextOffset,
    failing_since: Option<Instant>,
}

/// Commits that have failed for long.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) error: String,
    pub(super) since: Duration,
}

impl CommitsUnderWay {
    pub(super) fn sent(&mut self, partition: &TopicPartition, next: NextOffset) {
        match self.sent.get_mut(partition) {
            Some(sent) => sent.next = next,
            None => {
                self.sent.insert(partition.clone(), Sent { next, failing_since: None });
            }
        }
    }

    pub(super) fn acknowledged(&mut self, partition: &TopicPartition, next: NextOffset) {
        if let Some(sent) = self.sent.get_mut(partition) {
            sent.failing_since = None;
            if next >= sent.next {
                self.sent.remove(partition);
            }
        }
    }

    pub(super) fn failed(&mut self, error: String) {
        for sent in self.sent.values_mut() {
            sent.failing_since.get_or_insert_with(Instant::now);
        }
        self.error = error;
    }

    /// The partitions came or went: what was sent before is no matter of theirs.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.sent.remove(partition);
        }
    }

    pub(super) fn failing(&self, for_long: Duration) -> Option<Failing> {
        let failing = self.sent.iter().filter_map(|(partition, sent)| {
            let since = sent.failing_since?.elapsed();
            (since >= for_long).then_some((partition.clone(), since))
        });
        let (partitions, since): (Vec<_>, Vec<_>) = failing.unzip();
        let since = since.into_iter().max()?;
        Some(Failing { partitions, error: self.error.clone(), since })
    }
}
