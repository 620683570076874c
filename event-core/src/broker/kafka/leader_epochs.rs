//! In which leader's epoch the records of partitions were written, as commits name it.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::delivery::{NextOffset, TopicPartition};

/// How many changes of a leader are remembered of a partition.
const CHANGES: usize = 64;

/// The first offset and the epoch for each change of a leader, rising.
#[derive(Debug, Default)]
pub(super) struct LeaderEpochs(FxHashMap<TopicPartition, VecDeque<(i64, Option<i32>)>>);

impl LeaderEpochs {
    /// From `first` on the partition holds what was written in this leader's epoch.
    pub(super) fn note(
        &mut self,
        partition: &TopicPartition,
        first: i64,
        leader_epoch: Option<i32>,
    ) {
        if !self.0.contains_key(partition) {
            self.0.insert(partition.clone(), VecDeque::new());
        }
        let Some(known) = self.0.get_mut(partition) else { return };
        // A log that was truncated.
        while known.pop_back_if(|(offset, _)| *offset >= first).is_some() {}
        if known.back().is_none_or(|(_, last)| *last != leader_epoch) {
            known.push_back((first, leader_epoch));
        }
        if known.len() > CHANGES {
            known.pop_front();
        }
    }

    /// In which leader's epoch the offset before `next` was written, where it is known.
    pub(super) fn before(&self, partition: &TopicPartition, next: NextOffset) -> Option<i32> {
        let known = self.0.get(partition)?;
        let after = known.partition_point(|(first, _)| *first < next.0);
        known.get(after.checked_sub(1)?)?.1
    }

    /// Whoever had the partition in between knows better.
    pub(super) fn forget(&mut self, partition: &TopicPartition) {
        self.0.remove(partition);
    }
}
