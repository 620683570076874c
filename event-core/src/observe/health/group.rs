//! The health of one consumer group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::commits::{CommitsUnderWay, Failing};
use super::fetch_failures::{FetchFailure, FetchFailures};
use super::membership::Membership;
use super::partitions::{Partitions, Suspect};
use super::stall_reasons::StallReasons;
use super::{HealthProblem, lock};
use crate::broker::{BrokerError, Heartbeat, OffsetReset};
use crate::delivery::{NextOffset, Offset, TopicPartition};
use crate::event::{GroupName, TopicName};
use crate::observe::{InFlightAttempt, Observation, Observer};

/// How long the thread that polls may be silent. A turn takes 20 ms; asking for offsets in one, 5 s.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one of several members may be without its group: joining takes a few seconds.
const ABSENT: Duration = Duration::from_secs(15);
/// What a commit may take beyond its interval, and finding out what waits.
const COMMIT_SLACK: Duration = Duration::from_secs(30);
/// How long commits may fail.
const COMMITS_FAIL: Duration = Duration::from_secs(60);
/// For how long an offset reset is reported.
const OFFSET_RESET: Duration = Duration::from_secs(600);
/// How late the news of a handler that blocks may come.
const BLOCKED_SLACK: Duration = Duration::from_secs(1);

/// After how long a slow attempt is reported.
const SLOW: Duration = Duration::from_secs(30);

/// The rules for a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthRules {
    pub(crate) liveness_after: Duration,
    pub(crate) commit_interval: Duration,
    /// The handlers of each topic that is checked, with those that take redriven records.
    pub(crate) handlers: BTreeMap<TopicName, BTreeSet<String>>,
    /// Topics whose records wait for their time.
    pub(crate) retry_topics: BTreeSet<TopicName>,
    /// Topics for what a person redrives, without which the service goes on.
    pub(crate) redrive_topics: BTreeSet<TopicName>,
}

impl HealthRules {
    /// For how long nothing may be settled. A settled record may be reported no sooner than it is
    /// committed.
    fn patience(&self) -> Duration {
        self.liveness_after.max(self.commit_interval * 2 + COMMIT_SLACK)
    }

    /// For how long commits may fail. One that failed is repeated only after the interval.
    fn commits_may_fail(&self) -> Duration {
        COMMITS_FAIL.max(self.commit_interval + COMMIT_SLACK)
    }
}

/// How a consumer group is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStatus {
    /// The group.
    pub group: GroupName,
    /// What brokers call this process in the group; `None` before it joins.
    pub client_id: Option<String>,
    /// The partitions that this process has.
    pub partitions: Vec<PartitionStatus>,
    /// How long ago a record was settled last; `None` when none was since the start.
    pub last_settled: Option<Duration>,
    /// The handlers that are paused, by their ids.
    pub paused: Vec<String>,
}

impl GroupStatus {
    /// How many records wait; `None` while that is not known of every partition, or when this process
    /// has none: then others know.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        if self.partitions.is_empty() {
            return None;
        }
        self.partitions.iter().map(|one| one.lag).sum()
    }
}

/// How a partition is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionStatus {
    /// The partition.
    pub partition: TopicPartition,
    /// How far its end is from where the group goes on, as the broker was asked last; `None` while it
    /// is not known.
    pub lag: Option<u64>,
}

/// What is known of a group. It listens to what happens there, and only there.
#[derive(Debug)]
pub(crate) struct GroupHealth {
    group: GroupName,
    rules: HealthRules,
    settled: Arc<AtomicU64>,
    heartbeats: OnceLock<Vec<Arc<Heartbeat>>>,
    client_id: OnceLock<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    membership: Membership,
    /// What the broker refused since the last assignment.
    refused: Option<String>,
    partitions: Partitions,
    commits: CommitsUnderWay,
    stall_reasons: StallReasons,
    fetch_failures: FetchFailures,
    /// The redrive topics of which there was a partition here.
    redrives_read: BTreeSet<TopicName>,
    settled: u64,
    last_settled: Option<Instant>,
    /// The last sign of life; ahead of now when it is known that nothing will happen for a while.
    active: Instant,
    paused: BTreeSet<String>,
    breakers: BTreeSet<String>,
    blocking: BTreeMap<String, Blocking>,
    /// The last reset of each partition, whoever has it now.
    resets: BTreeMap<TopicPartition, (Instant, OffsetReset)>,
    /// What handlers have had in flight for long, as it was looked at last.
    in_flight_long: Vec<InFlightAttempt>,
}

#[derive(Debug)]
struct Blocking {
    partition: TopicPartition,
    offset: Offset,
    reported: Instant,
    since: Duration,
}

impl State {
    fn is_active(&mut self, ahead: Duration) {
        self.active = self.active.max(Instant::now() + ahead);
    }

    fn sample(&mut self, settled: u64) {
        if settled != self.settled {
            self.settled = settled;
            self.note_settled();
        }
    }

    fn note_settled(&mut self) {
        self.last_settled = Some(Instant::now());
        self.is_active(Duration::ZERO);
    }
}

impl GroupHealth {
    pub(super) fn new(group: GroupName, rules: HealthRules) -> Self {
        let now = Instant::now();
        GroupHealth {
            group,
            rules,
            settled: Arc::default(),
            heartbeats: OnceLock::new(),
            client_id: OnceLock::new(),
            state: Mutex::new(State {
                membership: Membership::begun(now),
                refused: None,
                partitions: Partitions::default(),
                commits: CommitsUnderWay::default(),
                stall_reasons: StallReasons::default(),
                fetch_failures: FetchFailures::default(),
                redrives_read: BTreeSet::new(),
                settled: 0,
                last_settled: None,
                active: now,
                paused: BTreeSet::new(),
                breakers: BTreeSet::new(),
                blocking: BTreeMap::new(),
                resets: BTreeMap::new(),
                in_flight_long: Vec::new(),
            }),
        }
    }

    pub(crate) fn group(&self) -> &GroupName {
        &self.group
    }

    /// How the threads are seen that poll.
    pub(crate) fn set_heartbeats(&self, heartbeats: Vec<Arc<Heartbeat>>) {
        // There is one consumer for a group.
        let _ = self.heartbeats.set(heartbeats);
    }

    /// What brokers call the consumer.
    pub(crate) fn set_client_id(&self, client_id: String) {
        // There is one consumer for a group.
        let _ = self.client_id.set(client_id);
    }

    /// How many records were settled since the start.
    pub(crate) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    pub(super) fn settled_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.settled)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.sample(self.settled.load(Ordering::Relaxed));
        state
    }

    pub(super) fn sample(&self) {
        drop(self.state());
    }

    pub(crate) fn assigned(&self) -> Vec<TopicPartition> {
        self.state().partitions.names().cloned().collect()
    }

    /// Which of these partitions of a topic the process has.
    pub(crate) fn assigned_of(&self, topic: &TopicName, partitions: &[i32]) -> Vec<i32> {
        let state = self.state();
        let ours = state.partitions.names().filter(|one| one.topic == *topic);
        ours.map(|one| one.partition).filter(|number| partitions.contains(number)).collect()
    }

    /// Whether it is known of all these partitions that they cannot be fetched.
    pub(crate) fn is_failing(&self, topic: &TopicName, partitions: &[i32]) -> bool {
        self.state().fetch_failures.has(topic, partitions)
    }

    /// Whether the broker was not asked yet about one of the partitions.
    pub(crate) fn has_new(&self) -> bool {
        self.state().partitions.has_new()
    }

    /// The partitions of which is not known where the group goes on.
    pub(crate) fn unknown(&self) -> Vec<TopicPartition> {
        self.state().partitions.unknown()
    }

    /// A partition to ask the coordinator about, when it is not known whether the process is a member.
    pub(crate) fn doubt(&self) -> Option<TopicPartition> {
        let topic = self.rules.handlers.keys().next()?.clone();
        self.state().membership.is_doubtful().then_some(TopicPartition { topic, partition: 0 })
    }

    /// Whether the coordinator of the group answered.
    pub(crate) fn note_coordinator(&self, answers: bool) {
        self.state().membership.note_coordinator(answers);
    }

    pub(crate) fn note_committed(&self, partition: &TopicPartition, next: Option<NextOffset>) {
        self.state().partitions.note_committed(partition, next);
    }

    pub(super) fn note_ends(&self, ends: &[(TopicPartition, NextOffset, NextOffset)]) {
        self.state().partitions.note_ends(ends);
    }

    /// Where a record has to be looked for before the group is said to be stuck.
    pub(crate) fn suspects(&self) -> Vec<Suspect> {
        let state = self.state();
        let patience = self.rules.patience();
        let suspects = state.partitions.suspects(patience).into_iter();
        let suspects = suspects.filter(|suspect| self.counts(&suspect.partition));
        match self.has_stall_reason(&state) {
            // One at a time while the group goes on; each read is a connection.
            true => {
                suspects.filter(|one| !self.is_explained(&state, &one.partition)).take(1).collect()
            }
            false => suspects.collect(),
        }
    }

    /// A partition of each topic that cannot be fetched.
    pub(crate) fn fetch_failures(&self) -> Vec<TopicPartition> {
        self.state().fetch_failures.topics()
    }

    /// The redrive topics of which there was a partition here and is none now: others have them, or they are gone.
    pub(crate) fn redrives_without_partitions(&self) -> Vec<TopicName> {
        let state = self.state();
        let has = |topic: &TopicName| state.partitions.names().any(|one| one.topic == *topic);
        state.redrives_read.iter().filter(|topic| !has(topic)).cloned().collect()
    }

    /// Whether it is to be logged once more that a topic cannot be fetched.
    pub(crate) fn take_log_due(&self, topic: &TopicName) -> bool {
        self.state().fetch_failures.take_log_due(topic)
    }

    fn is_explained(&self, state: &State, partition: &TopicPartition) -> bool {
        let resting = [&state.paused, &state.breakers];
        state.stall_reasons.has(partition, self.rules.patience(), &self.rules.handlers, &resting)
    }

    pub(crate) fn note_looked(&self, suspect: &Suspect, found: bool) {
        self.state().partitions.note_looked(suspect, found);
    }

    /// After how long a slow attempt is reported.
    pub(super) fn slow_after(&self) -> Duration {
        SLOW.min(self.rules.liveness_after)
    }

    /// What handlers have had in flight for longer than that; it is reported a few times a second, by a thread that
    /// has no part in a paused clock, so that nothing is sampled here.
    pub(super) fn note_in_flight_long(&self, in_flight: Vec<InFlightAttempt>) {
        lock(&self.state).in_flight_long = in_flight;
    }

    fn counts(&self, partition: &TopicPartition) -> bool {
        !self.rules.retry_topics.contains(&partition.topic)
    }

    /// Whether there was a sign of life, or nothing may be settled.
    fn has_stall_reason(&self, state: &State) -> bool {
        state.active.elapsed() < self.rules.patience()
            || !state.paused.is_empty()
            || !state.breakers.is_empty()
    }

    /// What is wrong with the group. `raised` is what is in the way of partitions and handlers.
    pub(super) fn problems(&self, raised: &[HealthProblem]) -> Vec<HealthProblem> {
        let state = self.state();
        let group = || self.group.clone();
        let mut problems = Vec::new();
        let heartbeats = self.heartbeats.get().into_iter().flatten();
        if let Some(since) = heartbeats.map(|heartbeat| heartbeat.silent_for()).max()
            && since >= SILENCE
        {
            problems.push(HealthProblem::PollThreadSilent { group: group(), since });
        }
        let is_blocked = raised.iter().any(|problem| {
            matches!(problem, HealthProblem::DeadLetterBlocked { group, partition, .. }
                if *group == self.group && state.partitions.has(partition))
        });
        let stuck = state.partitions.stuck(self.rules.patience());
        if !is_blocked && !self.has_stall_reason(&state) {
            if let Some((partition, since)) = stuck.into_iter().next() {
                problems.push(HealthProblem::Stalled { group: group(), partition, since });
            }
        } else {
            let blocked = |partition: &TopicPartition| {
                raised.iter().any(|problem| {
                    matches!(problem, HealthProblem::DeadLetterBlocked { group, partition: of, .. }
                        if *group == self.group && of == partition)
                })
            };
            let stuck = stuck.into_iter().filter(|(partition, _)| {
                self.counts(partition)
                    && !blocked(partition)
                    && !self.is_explained(&state, partition)
            });
            problems.extend(stuck.map(|(partition, since)| HealthProblem::PartitionStalled {
                group: group(),
                partition,
                since,
            }));
        }
        if let Some((since, lost)) = state.membership.missing() {
            let (topics, error) = (Vec::new(), state.refused.clone());
            problems.push(HealthProblem::NotAssigned {
                group: group(),
                topics,
                since,
                lost,
                error,
            });
        } else {
            problems.extend(self.absent_members(state.refused.as_ref()));
        }
        let failures = state.fetch_failures.lasting();
        problems.extend(failures.map(|failure| {
            let FetchFailure { topic, partitions, error, is_missing, since } = failure;
            let is_needed = !(is_missing && self.rules.redrive_topics.contains(&topic));
            HealthProblem::FetchFails { group: group(), topic, partitions, error, is_needed, since }
        }));
        if let Some(failing) = state.commits.failing(self.rules.commits_may_fail()) {
            let Failing { partitions, error, since } = failing;
            problems.push(HealthProblem::CommitsFail { group: group(), partitions, error, since });
        }
        for (at, reset) in state.resets.values() {
            let (since, reset) = (at.elapsed(), reset.clone());
            if since < OFFSET_RESET {
                problems.push(HealthProblem::OffsetReset { group: group(), reset, since });
            }
        }
        for (handler, blocking) in &state.blocking {
            // It is reported each time that it has taken twice as long; without that it is over.
            if blocking.reported.elapsed() <= blocking.since + BLOCKED_SLACK {
                problems.push(HealthProblem::HandlerBlocks {
                    group: group(),
                    handler: handler.clone(),
                    partition: blocking.partition.clone(),
                    offset: blocking.offset,
                    since: blocking.since + blocking.reported.elapsed(),
                });
            }
        }
        let in_flight = state.in_flight_long.iter().cloned();
        problems.extend(in_flight.filter_map(
            |InFlightAttempt { handler, partition, offset, since, .. }| {
                let (group, handler) = (group(), handler?);
                Some(match since >= self.rules.liveness_after {
                    true => {
                        HealthProblem::InFlightLong { group, handler, partition, offset, since }
                    }
                    false => {
                        HealthProblem::HandlerSlow { group, handler, partition, offset, since }
                    }
                })
            },
        ));
        problems
    }

    /// Of each member that the group does not have, while it has others of this process.
    fn absent_members(&self, refused: Option<&String>) -> impl Iterator<Item = HealthProblem> {
        let heartbeats = self.heartbeats.get().into_iter().flatten();
        heartbeats.filter_map(move |heartbeat| {
            let since = heartbeat.absent_for().filter(|since| *since >= ABSENT)?;
            let (group, topics) = (self.group.clone(), heartbeat.topics().to_vec());
            let error = refused.cloned();
            Some(HealthProblem::NotAssigned { group, topics, since, lost: false, error })
        })
    }

    pub(super) fn status(&self) -> GroupStatus {
        let state = self.state();
        let partition = |(partition, lag): (&TopicPartition, _)| PartitionStatus {
            partition: partition.clone(),
            lag,
        };
        GroupStatus {
            group: self.group.clone(),
            client_id: self.client_id.get().cloned(),
            partitions: state.partitions.lags().map(partition).collect(),
            last_settled: state.last_settled.map(|at| at.elapsed()),
            paused: state.paused.iter().cloned().collect(),
        }
    }
}

impl Observer for GroupHealth {
    fn observe(&self, observation: &Observation<'_>) {
        let mut state = match observation {
            // The way of nearly every record. That it is settled is seen in the counter.
            Observation::Handled { .. }
            | Observation::Skipped { .. }
            | Observation::Received { .. } => return,
            _ => self.state(),
        };
        match observation {
            Observation::Assigned { partitions, .. } => {
                let topics = partitions.iter().map(|one| &one.topic);
                let redrives = topics.filter(|topic| self.rules.redrive_topics.contains(*topic));
                state.redrives_read.extend(redrives.cloned());
                state.membership.assigned();
                state.refused = None;
                state.partitions.add(partitions);
                state.commits.forget(partitions);
                state.stall_reasons.forget(partitions);
                state.fetch_failures.forget(partitions.iter().map(|one| &one.topic));
            }
            Observation::Revoked { partitions, lost, .. } => {
                state.partitions.remove(partitions);
                state.commits.forget(partitions);
                state.stall_reasons.forget(partitions);
                state.fetch_failures.revoked(partitions);
                if *lost && state.partitions.names().next().is_none() {
                    state.membership.lost();
                }
            }
            Observation::CommitSent { partition, next, .. } => {
                state.commits.sent(partition, *next);
                if state.partitions.advance(partition, *next) {
                    state.note_settled();
                }
                return;
            }
            Observation::Committed { partition, next, .. } => {
                state.commits.acknowledged(partition, *next);
                return;
            }
            Observation::FetchFailed { topic, partitions, error } => {
                let is_missing = matches!(error, BrokerError::UnknownTopic(_));
                state.fetch_failures.failed(topic, partitions, error.to_string(), is_missing);
                return;
            }
            Observation::FetchRecovered { topic } => {
                state.fetch_failures.forget([*topic].into_iter());
                return;
            }
            Observation::OffsetReset(reset) => {
                state.resets.insert(reset.partition.clone(), (Instant::now(), (*reset).clone()));
                return;
            }
            Observation::BrokerError(error @ BrokerError::Unauthorised(_)) => {
                state.refused = Some(error.to_string());
                return;
            }
            Observation::CommitFailed(error) => {
                state.commits.failed(error.to_string());
                return;
            }
            Observation::Retrying { partition, handler, delay, .. } => {
                state.is_active(*delay);
                state.stall_reasons.partition(partition, *delay);
                // A redriven record is reported with its origin.
                state.stall_reasons.redriven(&self.rules.handlers, partition, handler, *delay);
            }
            Observation::BreakerOpened { handler, .. } => {
                state.breakers.insert((*handler).to_owned());
            }
            Observation::BreakerClosed { handler } => {
                state.breakers.remove(*handler);
                state.stall_reasons.handler(handler);
            }
            Observation::Paused { handler } => {
                state.paused.insert((*handler).to_owned());
            }
            Observation::Resumed { handler } => {
                state.paused.remove(*handler);
                state.stall_reasons.handler(handler);
            }
            Observation::Blocked { partition, offset, handler, since } => {
                let blocking = Blocking {
                    partition: (*partition).clone(),
                    offset: *offset,
                    reported: Instant::now(),
                    since: *since,
                };
                state.blocking.insert((*handler).to_owned(), blocking);
                return;
            }
            Observation::Postponed { partition, .. }
            | Observation::DeadLettered { partition, .. }
            | Observation::DeadLetterFailed { partition, .. } => {
                state.stall_reasons.partition(partition, Duration::ZERO);
            }
            // What the broker says is no work of ours.
            _ => return,
        }
        state.is_active(Duration::ZERO);
    }
}
