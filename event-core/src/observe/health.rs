//! Whether the service does its work, and if not, why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::delivery::TopicPartition;

/// One thing that keeps a partition from going on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthProblem {
    /// A dead letter cannot be written, so its partition waits.
    DeadLetterBlocked {
        /// The waiting partition.
        partition: TopicPartition,
        /// The dead-letter topic.
        dead_letter_topic: String,
        /// What the broker says.
        error: String,
    },
}

/// The health of a running service. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<TopicPartition, HealthProblem>>>);

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.map().is_empty()
    }

    /// Everything that is wrong, by partition.
    #[must_use]
    pub fn problems(&self) -> Vec<HealthProblem> {
        self.map().values().cloned().collect()
    }

    pub(crate) fn raise(&self, partition: &TopicPartition, problem: HealthProblem) {
        self.map().insert(partition.clone(), problem);
    }

    pub(crate) fn clear(&self, partition: &TopicPartition) {
        self.map().remove(partition);
    }

    // A map of plain values is whole after any panic, so a poisoned lock is used as it is.
    fn map(&self) -> std::sync::MutexGuard<'_, BTreeMap<TopicPartition, HealthProblem>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
