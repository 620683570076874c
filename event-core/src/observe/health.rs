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
    /// A handler fails every time and is left alone for a while.
    BreakerOpen {
        /// The handler's id.
        handler: String,
        /// What failed last.
        error: String,
    },
}

/// What a problem is of; each has one at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Partition(TopicPartition),
    Handler(String),
}

/// The health of a running service. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<Subject, HealthProblem>>>);

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.map().is_empty()
    }

    /// Everything that is wrong, by partition and by handler.
    #[must_use]
    pub fn problems(&self) -> Vec<HealthProblem> {
        self.map().values().cloned().collect()
    }

    pub(crate) fn raise(&self, partition: &TopicPartition, problem: HealthProblem) {
        self.map().insert(Subject::Partition(partition.clone()), problem);
    }

    pub(crate) fn clear(&self, partition: &TopicPartition) {
        self.map().remove(&Subject::Partition(partition.clone()));
    }

    pub(crate) fn raise_handler(&self, handler: &str, problem: HealthProblem) {
        self.map().insert(Subject::Handler(handler.to_owned()), problem);
    }

    pub(crate) fn clear_handler(&self, handler: &str) {
        self.map().remove(&Subject::Handler(handler.to_owned()));
    }

    // A map of plain values is whole after any panic, so a poisoned lock is used as it is.
    fn map(&self) -> std::sync::MutexGuard<'_, BTreeMap<Subject, HealthProblem>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
