//! Whether the service does its work, and if not, why.
//!
//! The engine raises what is in the way of a partition or a handler; a listener of each consumer
//! group notes when something happened there; whoever runs the service asks the broker what waits.
//! Nothing here is on the way of a record: that something is settled is seen in a counter that is
//! there anyway.

mod blocked;
mod commits;
mod stall_reasons;
mod fetch_failures;
mod group;
mod membership;
mod partitions;
mod problem;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::blocked::BlockedWrite;
use self::blocked::BlockedWrites;
pub(crate) use self::group::{GroupHealth, HealthRules};
pub use self::group::{GroupStatus, PartitionStatus};
pub(crate) use self::partitions::Suspect;
pub use self::problem::HealthProblem;
use super::{IgnoredFields, InFlightAttempt, UnknownNames};
use crate::broker::BrokerError;
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::GroupName;

// Who looks at health asks again within this, or looks no more.
const LOOKS_AGAIN: Duration = Duration::from_secs(120);

/// The health of a running service. Cloning shares it.
///
/// A service is *live* while the process can do its work: when it is not, a restart may help. It is
/// *ready* while records are dealt with as they should be.
///
/// | code | what is the matter | live | ready |
/// |---|---|---|---|
/// | `poll_thread_silent` | The thread that polls the broker has not come back for 30 s, beyond what it waits for the records in flight when partitions are given up | no | no |
/// | `stalled` | For `liveness_after` (or twice the commit interval and 30 s, if that is longer) records have waited in a partition and nothing of its group was settled, no attempt failed, no handler of it is paused, no breaker open and no dead letter blocked. That a record waits is made sure of by reading it. Records in retry topics wait for their time and do not count | no | no |
/// | `partition_stalled` | The same of one partition, while others of its group go on: a record has waited there for that time. Its stall reasons are its own: a handler of its topic is paused or its breaker open, an attempt failed, a dead letter is blocked | yes | no |
/// | `not_assigned` | The group was not joined yet, or the membership was lost and is not back; or one of several members of the process, of which each reads topics of its own, has not been in the group for 15 s. A member that others have left no partition is ready: when it is assigned none or, without any answer, when 30 s have gone and the group's coordinator answers | yes | no |
/// | `fetch_fails` | For 10 s the broker has not let the group fetch a topic, or some of its partitions: the right to read it is missing, the topic is gone, a partition has no leader. What was fetched before goes on, and a restart changes nothing | yes | no, but for a redrive topic that was deleted: yes |
/// | `commits_fail` | For a minute (or the commit interval and 30 s, if that is longer) commits of a partition have failed and none has arrived: whoever has it next handles again what was handled since | yes | no |
/// | `broker_unavailable` | The last question to the broker was not answered | yes | no |
/// | `dead_letter_blocked` | A dead letter, or a record for a retry topic, cannot be written, and its partition waits | yes | no |
/// | `shutting_down` | The service was asked to stop | yes | no |
/// | `in_flight_long` | An attempt of a handler has gone on for longer than `liveness_after`, whatever the others do. It may be stuck or only slow, and a restart would begin it anew, so it does not end liveness; when nothing else is settled either, `stalled` does | yes | no |
/// | `handler_slow` | An attempt of a handler has gone on for 30 s, whatever its `timeout` is. After `liveness_after` it is `in_flight_long` | yes | yes |
/// | `breaker_open` | The circuit breaker of a handler is open: it failed every attempt. A dependency is down, and neither a restart nor other traffic fixes that; with `order = partition` its partitions stand still meanwhile. Look at the problems, not at readiness | yes | yes |
/// | `offset_reset` | In the last ten minutes the position of a partition was not in its log any more, because records were removed before they were read or the log was truncated. The partition goes on where the problem says | yes | yes |
/// | `handler_blocks` | A handler has not let go of its thread for more than a second | yes | yes |
///
/// A paused handler is reported, and is no problem. A failed attempt counts as a sign of life until the next
/// one is due. The broker is asked every 15 s while somebody looks, and otherwise once a minute: when
/// health was not asked for in two minutes, what waits is known as it was then.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    blocked: BlockedWrites,
    /// The breakers that are open, by group and handler.
    breakers: Mutex<BTreeMap<(GroupName, String), HealthProblem>>,
    groups: Mutex<BTreeMap<GroupName, Arc<GroupHealth>>>,
    answer: Mutex<Option<Result<(), String>>>,
    looked_at: Mutex<Option<Instant>>,
    is_ending: AtomicBool,
    unknown: UnknownNames,
    ignored: IgnoredFields,
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
        let mut raised = self.0.blocked.problems();
        raised.extend(lock(&self.0.breakers).values().cloned());
        let answer = lock(&self.0.answer).clone();
        let mut problems = Vec::new();
        for group in self.watched() {
            problems.extend(group.problems(&raised));
        }
        if let Some(Err(error)) = answer {
            problems.push(HealthProblem::BrokerUnavailable { error });
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

    /// The fields of events that could not be read and counted as absent.
    #[must_use]
    pub fn ignored_fields(&self) -> &IgnoredFields {
        &self.0.ignored
    }

    /// From now on the group belongs to the service; it has to get its observations.
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

    /// The same when the broker did not answer for some partitions, and why.
    pub(crate) fn answered_partly(
        &self,
        ends: &[(TopicPartition, NextOffset, NextOffset)],
        error: &BrokerError,
    ) {
        self.answered(Ok(ends));
        self.answered(Err(error));
    }

    /// The service was asked to stop.
    pub(crate) fn ends(&self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }

    /// A record cannot be written, and its partition waits until what is given back is dropped.
    pub(crate) fn block(
        &self,
        group: &GroupName,
        partition: &TopicPartition,
        topic: &str,
        error: &BrokerError,
    ) -> BlockedWrite {
        self.0.blocked.block((group.clone(), partition.clone(), topic.to_owned()), error)
    }

    pub(crate) fn breaker_opened(&self, group: &GroupName, handler: &str, error: &str) {
        let problem = HealthProblem::BreakerOpen {
            group: group.clone(),
            handler: handler.to_owned(),
            error: error.to_owned(),
        };
        lock(&self.0.breakers).insert((group.clone(), handler.to_owned()), problem);
    }

    pub(crate) fn breaker_closed(&self, group: &GroupName, handler: &str) {
        lock(&self.0.breakers).remove(&(group.clone(), handler.to_owned()));
    }

    /// Notes what the handlers of a group have had for long, and gives it back. `find` looks for what is as
    /// old as that; it is not called for a group that nobody watches.
    pub(crate) fn look_in_flight(
        &self,
        group: &GroupName,
        find: impl FnOnce(Duration) -> Vec<InFlightAttempt>,
    ) -> Vec<InFlightAttempt> {
        let Some(watched) = lock(&self.0.groups).get(group).cloned() else { return Vec::new() };
        let long = find(watched.slow_after());
        watched.note_in_flight_long(long.clone());
        long
    }
}

// What is locked are plain values, whole after any panic, so a poisoned lock is used as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
