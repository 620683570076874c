//! A member of a group in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::cluster::{Change, Cluster, ClusterState, Log, MemberId, StoredRecord};
use super::faults::{Fault, Link, Request};
use super::records::Records;
use crate::broker::{
    BrokerError, Consumer, ConsumerEvent, OffsetReset, Progress, ResetReason, Revocation,
    Subscription,
};
use crate::delivery::{Epoch, NextOffset, RecordBatch, TopicPartition};
use crate::event::GroupName;

// Small enough that a test of a few hundred records sees several batches.
const MAX_BATCH_RECORDS: usize = 64;

/// A consumer of the memory broker. Dropping it without closing leaves the group without a commit,
/// like a process that is killed.
pub struct MemoryConsumer {
    membership: Membership,
    positions: BTreeMap<TopicPartition, Position>,
    /// Also of partitions that are gone: their records may still be in flight.
    in_flight: BTreeMap<TopicPartition, Arc<AtomicUsize>>,
    max_in_flight_bytes: usize,
    wants_metadata: bool,
    paused: BTreeSet<TopicPartition>,
    last_served: Option<TopicPartition>,
    /// What was read and arrives late.
    late: Vec<LateBatch>,
}

#[derive(Clone, Copy)]
struct Position {
    epoch: Epoch,
    next: NextOffset,
    /// The leader's that was read last.
    leader_epoch: usize,
}

struct LateBatch {
    due: Instant,
    batch: RecordBatch,
}

#[derive(Clone)]
struct Membership {
    cluster: Arc<Cluster>,
    group: GroupName,
    member: MemberId,
    link: Arc<Link>,
    /// Commits under way, in order; not yet there when the process ends.
    under_way: Arc<Mutex<VecDeque<LateCommit>>>,
    /// The pending events of the member.
    emitted: Arc<Mutex<VecDeque<ConsumerEvent>>>,
}

struct LateCommit {
    due: Instant,
    progress: Vec<Progress>,
    /// What is released after it.
    released: Vec<(TopicPartition, Epoch)>,
    is_answered: bool,
}

impl MemoryConsumer {
    pub(super) fn join(cluster: Arc<Cluster>, link: Arc<Link>, subscription: Subscription) -> Self {
        let topics = subscription.all_topics().cloned().collect();
        let Subscription { group, max_in_flight_bytes, wants_metadata, .. } = subscription;
        let member = cluster.change(|state| state.join(&group, topics));
        link.joined(&group, member);
        MemoryConsumer {
            membership: Membership {
                cluster,
                group,
                member,
                link,
                under_way: Arc::default(),
                emitted: Arc::default(),
            },
            positions: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            max_in_flight_bytes,
            wants_metadata,
            paused: BTreeSet::new(),
            last_served: None,
            late: Vec::new(),
        }
    }

    fn try_next(&mut self) -> Option<ConsumerEvent> {
        let now = Instant::now();
        for error in self.membership.finish_commits(now) {
            self.membership.emit(ConsumerEvent::CommitFailed(error));
        }
        if let Some(event) = self.membership.emitted().pop_front() {
            return Some(event);
        }
        if let Some(index) = self.late.iter().position(|late| late.due <= now) {
            return Some(ConsumerEvent::Records(self.late.remove(index).batch));
        }
        let Membership { cluster, group, member, .. } = self.membership.clone();
        match cluster.change_quietly(|state| state.next_change(&group, member)) {
            Some(Change::Revoked(leaving)) => {
                for (partition, _) in &leaving {
                    self.forget(partition);
                }
                Some(ConsumerEvent::Revoked(self.membership.revocation(leaving)))
            }
            Some(Change::Lost(partitions)) => {
                for partition in &partitions {
                    self.forget(partition);
                }
                // The group gives this member partitions again.
                cluster.wake();
                Some(ConsumerEvent::Revoked(Revocation::new(partitions, true, |_| ())))
            }
            Some(Change::Assigned(mut partitions, epoch)) => {
                for assigned in &mut partitions {
                    let next = assigned.next.unwrap_or(NextOffset(0));
                    let leader_epoch = cluster
                        .read(|state| state.log(&assigned.partition).map_or(0, Log::leader_epoch));
                    let position = Position { epoch, next, leader_epoch };
                    self.positions.insert(assigned.partition.clone(), position);
                    if !self.wants_metadata {
                        (assigned.next, assigned.metadata) = (None, String::new());
                    }
                }
                Some(ConsumerEvent::Assigned { partitions, epoch })
            }
            None => self.fetch(),
        }
    }

    fn fetch(&mut self) -> Option<ConsumerEvent> {
        self.reset_positions();
        self.pause_or_resume();
        if let Some(event) = self.membership.emitted().pop_front() {
            return Some(event);
        }
        // Partitions take turns, beginning after the one that was served last.
        let after =
            self.positions.keys().position(|p| Some(p) > self.last_served.as_ref()).unwrap_or(0);
        let turns = self.positions.iter().skip(after).chain(self.positions.iter().take(after));
        let turns = turns.filter(|(partition, _)| !self.paused.contains(partition));
        let late = |partition: &TopicPartition, epoch: Epoch| {
            let same = |late: &LateBatch| {
                late.batch.epoch() == epoch && **late.batch.partition() == *partition
            };
            self.late.iter().any(same)
        };
        let turns = turns.filter(|(partition, position)| !late(partition, position.epoch));
        let Membership { cluster, group, .. } = &self.membership;
        let (partition, position, records) =
            turns.into_iter().find_map(|(partition, position)| {
                let records = cluster.read(|state| read(state, partition, position.next));
                (!records.is_empty()).then(|| (partition.clone(), *position, records))
            })?;
        let epoch = position.epoch;
        self.last_served = Some(partition.clone());
        let fault = cluster.faults.of(&Request::Fetch { group, partition: &partition });
        if let Some(Fault::Refused(error) | Fault::Unanswered(error)) = fault {
            return Some(ConsumerEvent::Error(error));
        }
        let next = records.last()?.offset.next();
        self.positions.insert(partition.clone(), Position { next, ..position });
        let in_flight = Arc::clone(self.in_flight.entry(partition.clone()).or_default());
        let source = Records::new(records, in_flight, Arc::clone(cluster));
        let batch = RecordBatch::new(Arc::new(partition), epoch, Box::new(source));
        if let Some(Fault::Slow(delay)) = fault {
            self.late.push(LateBatch { due: Instant::now() + delay, batch });
            return self.fetch();
        }
        Some(ConsumerEvent::Records(batch))
    }

    /// Goes back to where the log was truncated. Where it is shorter than the position still, its topic
    /// was recreated, and it begins anew: as Kafka does with `auto.offset.reset = earliest`.
    fn reset_positions(&mut self) {
        let mut resets = Vec::new();
        self.membership.cluster.read(|state| {
            for (partition, position) in &mut self.positions {
                let Ok(log) = state.log(partition) else { continue };
                let from = position.next;
                position.next = log.valid(position.next, position.leader_epoch);
                position.leader_epoch = log.leader_epoch();
                if log.end() < position.next {
                    position.next = NextOffset(0);
                }
                let (to, epoch) = (position.next, position.epoch);
                if to < from {
                    let (partition, reason) = (partition.clone(), ResetReason::LogTruncated);
                    resets.push(OffsetReset { partition, epoch, reason, from, to });
                }
            }
        });
        for reset in resets {
            self.membership.emit(ConsumerEvent::OffsetReset(reset));
        }
    }

    /// When something happens without anybody's doing.
    fn next_due(&self) -> Option<Instant> {
        let Membership { cluster, group, member, .. } = &self.membership;
        let late = self.late.iter().map(|late| late.due).min();
        let noticed = cluster.read(|state| state.notices_at(group, *member));
        let commit = self.membership.under_way().front().map(|commit| commit.due);
        [late, noticed, commit].into_iter().flatten().min()
    }

    /// Each partition may hold its share of the limit, and goes on at half of it: one whose
    /// records stay in memory stops no other.
    fn pause_or_resume(&mut self) {
        let (mut pauses, mut resumes) = (Vec::new(), Vec::new());
        let share = self.max_in_flight_bytes / self.positions.len().max(1);
        for partition in self.positions.keys() {
            let in_flight = self.in_flight.get(partition);
            let in_flight = in_flight.map_or(0, |bytes| bytes.load(Ordering::Acquire));
            let limit = if self.paused.contains(partition) { share / 2 } else { share };
            if in_flight > 0 && in_flight >= limit {
                if self.paused.insert(partition.clone()) {
                    pauses.push(partition.clone());
                }
            } else if self.paused.remove(partition) {
                resumes.push(partition.clone());
            }
        }
        if !pauses.is_empty() {
            self.membership.emit(ConsumerEvent::FetchPaused(pauses));
        }
        if !resumes.is_empty() {
            self.membership.emit(ConsumerEvent::FetchResumed(resumes));
        }
    }

    fn forget(&mut self, partition: &TopicPartition) {
        self.positions.remove(partition);
        self.paused.remove(partition);
    }
}

pub(super) fn read(
    state: &ClusterState,
    partition: &TopicPartition,
    next: NextOffset,
) -> Vec<Arc<StoredRecord>> {
    let start = usize::try_from(next.0).unwrap_or(usize::MAX);
    let records = state.log(partition).ok().and_then(|log| log.records.get(start..));
    let records = records.unwrap_or_default();
    records.iter().take(MAX_BATCH_RECORDS).cloned().collect()
}

impl Consumer for MemoryConsumer {
    async fn next(&mut self) -> ConsumerEvent {
        loop {
            if self.membership.link.is_cut() {
                return std::future::pending().await;
            }
            let cluster = Arc::clone(&self.membership.cluster);
            let changed = cluster.changed();
            // Before anything is taken, so that a future that is dropped here loses nothing; without
            // it a full backlog would never let the lanes run.
            tokio::task::coop::consume_budget().await;
            if let Some(event) = self.try_next() {
                return event;
            }
            match self.next_due() {
                None => changed.await,
                Some(due) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    fn commit(&mut self, progress: &[Progress]) {
        match self.membership.commit(progress.to_vec(), false, Vec::new()) {
            Ok(committed) => self.membership.emit_committed(committed),
            Err(error) => self.membership.emit(ConsumerEvent::CommitFailed(error)),
        }
    }

    async fn close(
        self,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> Result<Vec<Progress>, BrokerError> {
        let committed = self.membership.commit(progress, true, Vec::new());
        let last = self.membership.under_way().back().map(|commit| commit.due);
        if let Some(last) = last {
            let deadline = Instant::now() + timeout;
            sleep_until(last.min(deadline)).await;
            self.membership.finish_commits(last.min(deadline));
            if deadline < last {
                let what = "the last commit".to_owned();
                let last_error = "the test made it slow".to_owned();
                return Err(BrokerError::TimedOut { what, last_error });
            }
        }
        committed
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        let Membership { cluster, group, member, .. } = &self.membership;
        cluster.change(|state| state.leave(group, *member));
    }
}

impl Membership {
    /// Commits, then releases: at once, or late when that is the fault of it. What is committed at
    /// once is returned.
    fn commit(
        &self,
        progress: Vec<Progress>,
        last: bool,
        released: Vec<(TopicPartition, Epoch)>,
    ) -> Result<Vec<Progress>, BrokerError> {
        if self.link.is_cut() {
            return Ok(Vec::new());
        }
        let request =
            Request::Commit { group: &self.group, member: self.member, progress: &progress, last };
        let fault = if progress.is_empty() { None } else { self.cluster.faults.of(&request) };
        let (progress, delay, answer) = match fault {
            None => (progress, None, Ok(())),
            Some(Fault::Refused(error)) => (Vec::new(), None, Err(error)),
            Some(Fault::Unanswered(error)) => (progress, None, Err(error)),
            Some(Fault::Slow(delay)) => (progress, Some(delay), Ok(())),
        };
        // One that is under way is not overtaken.
        let before = self.under_way().back().map(|commit| commit.due);
        let now = Instant::now();
        match (before, delay) {
            (None, None) => {
                let committed = self.take_effect(progress, &released);
                return answer.and(committed);
            }
            (before, delay) => {
                let due = (now + delay.unwrap_or_default()).max(before.unwrap_or(now));
                let is_answered = answer.is_ok();
                self.under_way().push_back(LateCommit { due, progress, released, is_answered });
                self.cluster.wake();
            }
        }
        answer.map(|()| Vec::new())
    }

    fn emitted(&self) -> MutexGuard<'_, VecDeque<ConsumerEvent>> {
        self.emitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn emit(&self, event: ConsumerEvent) {
        self.emitted().push_back(event);
        self.cluster.wake();
    }

    fn emit_committed(&self, committed: Vec<Progress>) {
        if !committed.is_empty() {
            self.emit(ConsumerEvent::Committed(committed));
        }
    }

    fn take_effect(
        &self,
        progress: Vec<Progress>,
        released: &[(TopicPartition, Epoch)],
    ) -> Result<Vec<Progress>, BrokerError> {
        self.cluster.change(|state| {
            let committed = state.commit(&self.group, self.member, progress);
            state.release(&self.group, self.member, released);
            committed
        })
    }

    /// Lets the commits arrive that are due and emits them; what fails so late is returned.
    fn finish_commits(&self, now: Instant) -> Vec<BrokerError> {
        let mut failed = Vec::new();
        loop {
            let commit = self.under_way().pop_front_if(|commit| commit.due <= now);
            let Some(LateCommit { progress, released, is_answered, .. }) = commit else {
                return failed;
            };
            if self.link.is_cut() {
                continue;
            }
            match self.take_effect(progress, &released) {
                Ok(committed) if is_answered => self.emit_committed(committed),
                Ok(_) => {}
                Err(error) => failed.push(error),
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, VecDeque<LateCommit>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn revocation(&self, leaving: Vec<(TopicPartition, Epoch)>) -> Revocation {
        let membership = self.clone();
        let partitions = leaving.iter().map(|(partition, _)| partition.clone()).collect();
        Revocation::new(partitions, false, move |progress| {
            // A commit that fails here is lost with the partition; its records are delivered again.
            if let Ok(committed) = membership.commit(progress, true, leaving) {
                membership.emit_committed(committed);
            }
        })
    }
}
