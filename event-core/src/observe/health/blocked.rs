//! The writes that make no progress.
//!
//! Several records of a partition may wait at once, each for its own write, so that a partition is free
//! only when none is left. A write that is cut off is dropped, and counts no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{HealthProblem, lock};
use crate::broker::BrokerError;
use crate::delivery::TopicPartition;
use crate::event::GroupName;

/// The group, the partition that waits, and the topic that cannot be written to.
type Obstacle = (GroupName, TopicPartition, String);

/// How many writes each obstacle holds up, with what was said last.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockedWrites(Arc<Mutex<BTreeMap<Obstacle, (usize, String)>>>);

/// A write that is blocked, as long as this is kept.
#[derive(Debug)]
#[must_use]
pub(crate) struct BlockedWrite {
    obstacle: Obstacle,
    writes: BlockedWrites,
}

impl BlockedWrites {
    pub(super) fn block(&self, obstacle: Obstacle, error: &BrokerError) -> BlockedWrite {
        let mut writes = lock(&self.0);
        let (count, said) = writes.entry(obstacle.clone()).or_default();
        *count += 1;
        *said = error.to_string();
        BlockedWrite { obstacle, writes: self.clone() }
    }

    pub(super) fn problems(&self) -> Vec<HealthProblem> {
        let writes = lock(&self.0);
        let problem = |((group, partition, topic), (_, error)): (&Obstacle, &(usize, String))| {
            HealthProblem::DeadLetterBlocked {
                group: group.clone(),
                partition: partition.clone(),
                dead_letter_topic: topic.clone(),
                error: error.clone(),
            }
        };
        writes.iter().map(problem).collect()
    }
}

impl Drop for BlockedWrite {
    fn drop(&mut self) {
        let mut writes = lock(&self.writes.0);
        if let Some((count, _)) = writes.get_mut(&self.obstacle) {
            *count -= 1;
            if *count == 0 {
                writes.remove(&self.obstacle);
            }
        }
    }
}
