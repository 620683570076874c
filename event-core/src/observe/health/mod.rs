//! Whether the service does its work, and if not, why.
//!
//! The engine raises what is in the way of a partition or a handler; a listener of each consumer
//! group notes when something happened there; whoever runs the service asks the broker what waits.
//! Nothing here is on the way of a record: that something is settled is seen in a counter that is
//! there anyway.

mod group;
mod partitions;
mod problem;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::group::{GroupHealth, HealthRules};
pub use self::group::{GroupStatus, PartitionStatus};
pub(crate) use self::partitions::Suspect;
pub use self::problem::HealthProblem;
use super::UnknownNames;
use crate::broker::BrokerError;
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::GroupName;

// Who looks at health asks again within this, or looks no more.
const LOOKS_AGAIN: Duration = Duration::from_secs(120);

/// What a problem is of; each has one at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Partition(TopicPartition),
    Handler(String),
}

/// The health of a running service. Cloning shares it.
///
/// A service is *live* while the process can do its work: when it is not, a restart may help. It is
/// *ready* while records are dealt with as they should be.
///
/// | code | what is the matter | live | ready |
/// |---|---|---|---|
/// | `poll_thread_silent` | The thread that polls the broker has not come back for 30 s, beyond what it waits for the records in hand when partitions are given up | no | no |
/// | `stalled` | For `liveness_after` (or twice the commit interval and 30 s, if that is longer) records have waited in a partition and nothing of its group was settled, no attempt failed, no handler of it is paused, no breaker open and no dead letter blocked. That a record waits is made sure of by reading it. Records in retry topics wait for their time and do not count | no | no |
/// | `not_assigned` | The group was not joined yet. One that has more members than partitions gives some of them nothing: they are ready when they are told so, or when 30 s have gone and the broker answers | yes | no |
/// | `broker_trouble` | The last question to the broker was not answered | yes | no |
/// | `dead_letter_blocked` | A dead letter, or a record for a retry topic, cannot be written, and its partition waits | yes | no |
/// | `shutting_down` | The service was told to end | yes | no |
/// | `breaker_open` | A handler fails every time and is left alone for a while; the others go on | yes | yes |
/// | `handler_blocks` | A handler has not let go of its thread for more than a second | yes | yes |
///
/// A paused handler is told, and no problem. A failed attempt counts as a sign of life until the next
/// one is due. The broker is asked every 15 s, and only while somebody looks: when health was not
/// asked for in two minutes, what waits is not known until a few seconds after the next time.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    raised: Mutex<BTreeMap<Subject, HealthProblem>>,
    groups: Mutex<BTreeMap<GroupName, Arc<GroupHealth>>>,
    answer: Mutex<Option<Result<(), String>>>,
    looked_at: Mutex<Option<Instant>>,
    is_ending: AtomicBool,
    unknown: UnknownNames,
}

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.problems().is_empty()
    }

    /// Whether the process can do its work.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.problems().iter().any(HealthProblem::ends_liveness)
    }

    /// Whether records are dealt with as they should be.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.problems().iter().any(HealthProblem::ends_readiness)
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn problems(&self) -> Vec<HealthProblem> {
        *lock(&self.0.looked_at) = Some(Instant::now());
        let raised: Vec<_> = lock(&self.0.raised).values().cloned().collect();
        let answer = lock(&self.0.answer).clone();
        let answers = matches!(answer, Some(Ok(())));
        let mut problems = Vec::new();
        for group in self.watched() {
            problems.extend(group.problems(&raised, answers));
        }
        if let Some(Err(error)) = answer {
            problems.push(HealthProblem::BrokerTrouble { error });
        }
        if self.0.is_ending.load(Ordering::Relaxed) {
            problems.push(HealthProblem::ShuttingDown);
        }
        problems.extend(raised);
        problems
    }

    /// The consumer groups of the service, by name; none before it runs.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupStatus> {
        self.watched().iter().map(|group| group.status()).collect()
    }

    /// The events that nobody handled, by name.
    #[must_use]
    pub fn unknown_events(&self) -> &UnknownNames {
        &self.0.unknown
    }

    /// From now on the group belongs to the service; it has to be told what happens there.
    pub(crate) fn watch(&self, group: &GroupName, rules: HealthRules) -> Arc<GroupHealth> {
        let watched = Arc::new(GroupHealth::new(group.clone(), rules));
        lock(&self.0.groups).insert(group.clone(), Arc::clone(&watched));
        watched
    }

    /// Where the settled records of a group are counted.
    pub(crate) fn settled_counter(&self, group: &GroupName) -> Arc<AtomicU64> {
        lock(&self.0.groups).get(group).map(|group| group.settled_counter()).unwrap_or_default()
    }

    /// Looks what was settled since the last time; to be called about every second.
    pub(crate) fn sample(&self) {
        self.watched().iter().for_each(|group| group.sample());
    }

    /// Whether somebody wants to know what waits.
    pub(crate) fn is_looked_at(&self) -> bool {
        lock(&self.0.looked_at).is_some_and(|at| at.elapsed() < LOOKS_AGAIN)
    }

    /// The partitions of all groups.
    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        let mut all: Vec<_> = self.watched().iter().flat_map(|group| group.assigned()).collect();
        all.sort();
        all.dedup();
        all
    }

    pub(crate) fn watched(&self) -> Vec<Arc<GroupHealth>> {
        lock(&self.0.groups).values().cloned().collect()
    }

    /// Where partitions begin and end, as the broker answered.
    pub(crate) fn answered(
        &self,
        answer: Result<&[(TopicPartition, NextOffset, NextOffset)], &BrokerError>,
    ) {
        if let Ok(ends) = answer {
            self.watched().iter().for_each(|group| group.note_ends(ends));
        }
        *lock(&self.0.answer) = Some(answer.map(drop).map_err(ToString::to_string));
    }

    /// The service was told to end.
    pub(crate) fn ends(&self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }

    pub(crate) fn raise(&self, partition: &TopicPartition, problem: HealthProblem) {
        lock(&self.0.raised).insert(Subject::Partition(partition.clone()), problem);
    }

    pub(crate) fn clear(&self, partition: &TopicPartition) {
        lock(&self.0.raised).remove(&Subject::Partition(partition.clone()));
    }

    pub(crate) fn raise_handler(&self, handler: &str, problem: HealthProblem) {
        lock(&self.0.raised).insert(Subject::Handler(handler.to_owned()), problem);
    }

    pub(crate) fn clear_handler(&self, handler: &str) {
        lock(&self.0.raised).remove(&Subject::Handler(handler.to_owned()));
    }
}

// What is locked are plain values, whole after any panic, so a poisoned lock is used as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
