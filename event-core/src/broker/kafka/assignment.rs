//! Which partitions are ours, and since which epoch.
//!
//! A live member can commit a partition that it does not own, and the broker lets it: only the
//! epochs kept here prevent that.

use std::sync::Arc;

use rdkafka::TopicPartitionList;
use rdkafka::topic_partition_list::Offset as NativeOffset;
use rustc_hash::FxHashMap;

use crate::broker::Progress;
use crate::delivery::{Epoch, TopicPartition};
use crate::event::TopicName;

#[derive(Debug)]
struct Owned {
    partition: Arc<TopicPartition>,
    epoch: Epoch,
}

/// The partitions of one consumer.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    topics: FxHashMap<TopicName, FxHashMap<i32, Owned>>,
    last_epoch: u64,
}

impl Assignment {
    /// Takes partitions in, all in a new epoch.
    pub(super) fn add(&mut self, partitions: &[TopicPartition]) -> Epoch {
        self.last_epoch += 1;
        let epoch = Epoch(self.last_epoch);
        for partition in partitions {
            let owned = Owned { partition: Arc::new(partition.clone()), epoch };
            self.topics
                .entry(partition.topic.clone())
                .or_default()
                .insert(partition.partition, owned);
        }
        epoch
    }

    /// Gives partitions up: whatever still comes of them is stale.
    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(owned) = self.topics.get_mut(partition.topic.as_str()) {
                owned.remove(&partition.partition);
            }
        }
    }

    /// The partition and its epoch, if it is ours.
    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<(Arc<TopicPartition>, Epoch)> {
        let owned = self.topics.get(topic)?.get(&partition)?;
        Some((Arc::clone(&owned.partition), owned.epoch))
    }

    /// Whether work of `epoch` on `partition` still counts.
    pub(super) fn is_current(&self, partition: &TopicPartition, epoch: Epoch) -> bool {
        self.topics
            .get(partition.topic.as_str())
            .and_then(|owned| owned.get(&partition.partition))
            .is_some_and(|owned| owned.epoch == epoch)
    }

    /// What of `progress` may be committed; `None` when nothing may.
    pub(super) fn committable(&self, progress: &[Progress]) -> Option<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(progress.len());
        for done in progress.iter().filter(|done| self.is_current(&done.partition, done.epoch)) {
            let next = NativeOffset::Offset(done.next.0);
            // Refused only for an offset that librdkafka cannot express, such as a negative one.
            if list
                .add_partition_offset(done.partition.topic.as_str(), done.partition.partition, next)
                .is_err()
            {
                tracing::error!(partition = %done.partition, next = %done.next, "offset cannot be committed");
            }
        }
        (list.count() > 0).then_some(list)
    }

    /// All partitions that are ours.
    pub(super) fn all(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for owned in self.topics.values().flat_map(FxHashMap::values) {
            list.add_partition(owned.partition.topic.as_str(), owned.partition.partition);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::NextOffset;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition { topic: TopicName::from_static("role_events"), partition: number }
    }

    #[test]
    fn progress_of_an_old_epoch_is_dropped() {
        let mut assignment = Assignment::default();
        let old = assignment.add(&[partition(0), partition(1)]);
        assignment.remove(&[partition(0)]);
        let new = assignment.add(&[partition(0)]);
        let progress =
            |number, epoch| Progress { partition: partition(number), epoch, next: NextOffset(7) };
        assert!(assignment.committable(&[progress(0, old), progress(2, new)]).is_none());
        let both = assignment.committable(&[progress(0, new), progress(1, old), progress(0, old)]);
        assert_eq!(both.map(|list| list.count()), Some(2));
    }
}
