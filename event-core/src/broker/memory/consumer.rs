//! A member of a group in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::cluster::{Change, Cluster, ClusterState, MemberId, StoredRecord};
use super::end_of;
use super::faults::{Fault, Link, Request};
use crate::broker::{
    BrokerError, Consumer, ConsumerEvent, Progress, Revocation, Subscription, size_bytes,
};
use crate::delivery::{
    ByteCharge, Epoch, NextOffset, Offset, RecordBatch, RecordSource, TopicPartition,
};
use crate::event::GroupName;

// Small enough that a test of a few hundred records sees several batches.
const MAX_BATCH_RECORDS: usize = 64;

/// A consumer of the memory broker. Dropping it without closing leaves the group without a commit,
/// like a process that is killed.
pub struct MemoryConsumer {
    membership: Membership,
    positions: BTreeMap<TopicPartition, (Epoch, NextOffset)>,
    events: VecDeque<ConsumerEvent>,
    /// Also of partitions that are gone: their records may be held still.
    in_flight: BTreeMap<TopicPartition, Arc<AtomicUsize>>,
    max_in_flight_bytes: usize,
    wants_metadata: bool,
    paused: BTreeSet<TopicPartition>,
    last_served: Option<TopicPartition>,
    /// What was read and arrives late.
    late: Vec<LateBatch>,
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
}

struct LateCommit {
    due: Instant,
    progress: Vec<Progress>,
    /// What is released after it.
    released: Vec<(TopicPartition, Epoch)>,
}

impl MemoryConsumer {
    pub(super) fn join(cluster: Arc<Cluster>, link: Arc<Link>, subscription: Subscription) -> Self {
        let Subscription { group, topics, max_in_flight_bytes, wants_metadata, .. } = subscription;
        let member = cluster.change(|state| state.join(&group, topics));
        link.joined(&group, member);
        MemoryConsumer {
            membership: Membership { cluster, group, member, link, under_way: Arc::default() },
            positions: BTreeMap::new(),
            events: VecDeque::new(),
            in_flight: BTreeMap::new(),
            max_in_flight_bytes,
            wants_metadata,
            paused: BTreeSet::new(),
            last_served: None,
            late: Vec::new(),
        }
    }

    fn try_next(&mut self) -> Option<ConsumerEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let now = Instant::now();
        for error in self.membership.finish_commits(now) {
            self.events.push_back(ConsumerEvent::CommitFailed(error));
        }
        if let Some(index) = self.late.iter().position(|late| late.due <= now) {
            return Some(ConsumerEvent::Records(self.late.remove(index).batch));
        }
        let Membership { cluster, group, member, .. } = self.membership.clone();
        match cluster.change_quietly(|state| state.next_change(&group, member)) {
            Some(Change::Revoked(leaving)) => {
                for (partition, _) in &leaving {
                    self.positions.remove(partition);
                }
                Some(ConsumerEvent::Revoked(self.membership.revocation(leaving)))
            }
            Some(Change::Lost(partitions)) => {
                for partition in &partitions {
                    self.positions.remove(partition);
                }
                // The group gives this member partitions again.
                cluster.wake();
                Some(ConsumerEvent::Revoked(Revocation::new(partitions, true, |_| ())))
            }
            Some(Change::Assigned(mut partitions, epoch)) => {
                for assigned in &mut partitions {
                    let start = assigned.next.unwrap_or(NextOffset(0));
                    self.positions.insert(assigned.partition.clone(), (epoch, start));
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
        let turns = turns.filter(|(partition, (epoch, _))| !late(partition, *epoch));
        let Membership { cluster, group, .. } = &self.membership;
        let (partition, epoch, records) =
            turns.into_iter().find_map(|(partition, (epoch, next))| {
                let records = cluster.read(|state| read(state, partition, *next));
                (!records.is_empty()).then(|| (partition.clone(), *epoch, records))
            })?;
        self.last_served = Some(partition.clone());
        let fault = cluster.faults.of(&Request::Fetch { group, partition: &partition });
        if let Some(Fault::Refused(error) | Fault::Unanswered(error)) = fault {
            return Some(ConsumerEvent::Trouble(error));
        }
        let next = records.last()?.offset.next();
        self.positions.insert(partition.clone(), (epoch, next));
        let in_flight = Arc::clone(self.in_flight.entry(partition.clone()).or_default());
        let source = Records::new(records, in_flight, Arc::clone(cluster));
        let batch = RecordBatch::new(Arc::new(partition), epoch, Box::new(source));
        if let Some(Fault::Slow(delay)) = fault {
            self.late.push(LateBatch { due: Instant::now() + delay, batch });
            return self.fetch();
        }
        Some(ConsumerEvent::Records(batch))
    }

    /// Begins anew where the log is shorter than it was, because its topic was made anew: as Kafka does
    /// with `auto.offset.reset = earliest`.
    fn reset_positions(&mut self) {
        self.membership.cluster.read(|state| {
            for (partition, (_, next)) in &mut self.positions {
                if state.log(partition).is_ok_and(|log| end_of(log) < *next) {
                    *next = NextOffset(0);
                }
            }
        });
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
    /// records are held stops no other.
    fn pause_or_resume(&mut self) {
        let share = self.max_in_flight_bytes / self.positions.len().max(1);
        for partition in self.positions.keys() {
            let in_flight = self.in_flight.get(partition);
            let in_flight = in_flight.map_or(0, |bytes| bytes.load(Ordering::Acquire));
            let limit = if self.paused.contains(partition) { share / 2 } else { share };
            if in_flight > 0 && in_flight >= limit {
                self.paused.insert(partition.clone());
            } else {
                self.paused.remove(partition);
            }
        }
    }
}

pub(super) fn read(
    state: &ClusterState,
    partition: &TopicPartition,
    next: NextOffset,
) -> Vec<Arc<StoredRecord>> {
    let start = usize::try_from(next.0).unwrap_or(usize::MAX);
    let records = state.log(partition).ok().and_then(|log| log.get(start..)).unwrap_or_default();
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
        if let Err(error) = self.membership.commit(progress.to_vec(), false, Vec::new()) {
            self.events.push_back(ConsumerEvent::CommitFailed(error));
        }
    }

    async fn close(self, progress: Vec<Progress>, deadline: Duration) -> Result<(), BrokerError> {
        let committed = self.membership.commit(progress, true, Vec::new());
        let last = self.membership.under_way().back().map(|commit| commit.due);
        if let Some(last) = last {
            let deadline = Instant::now() + deadline;
            sleep_until(last.min(deadline)).await;
            self.membership.finish_commits(last.min(deadline));
            if deadline < last {
                let what = "the last commit".to_owned();
                let last_heard = "it was told to be slow".to_owned();
                return Err(BrokerError::TimedOut { what, last_heard });
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
    /// Commits, then releases: at once, or late when that is the fault of it.
    fn commit(
        &self,
        progress: Vec<Progress>,
        last: bool,
        released: Vec<(TopicPartition, Epoch)>,
    ) -> Result<(), BrokerError> {
        if self.link.is_cut() {
            return Ok(());
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
            (None, None) => return self.take_effect(&progress, &released).and(answer),
            (before, delay) => {
                let due = (now + delay.unwrap_or_default()).max(before.unwrap_or(now));
                self.under_way().push_back(LateCommit { due, progress, released });
                self.cluster.wake();
            }
        }
        answer
    }

    fn take_effect(
        &self,
        progress: &[Progress],
        released: &[(TopicPartition, Epoch)],
    ) -> Result<(), BrokerError> {
        self.cluster.change(|state| {
            let committed = state.commit(&self.group, self.member, progress);
            state.release(&self.group, self.member, released);
            committed
        })
    }

    /// Lets the commits arrive that are due; what fails so late is returned.
    fn finish_commits(&self, now: Instant) -> Vec<BrokerError> {
        let mut failed = Vec::new();
        loop {
            let commit = self.under_way().pop_front_if(|commit| commit.due <= now);
            let Some(LateCommit { progress, released, .. }) = commit else { return failed };
            if !self.link.is_cut() {
                failed.extend(self.take_effect(&progress, &released).err());
            }
        }
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, VecDeque<LateCommit>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn revocation(&self, leaving: Vec<(TopicPartition, Epoch)>) -> Revocation {
        let membership = self.clone();
        let partitions = leaving.iter().map(|(partition, _)| partition.clone()).collect();
        Revocation::new(partitions, false, move |progress| {
            // A commit that fails here is lost with the partition; its records are delivered again.
            let _ = membership.commit(progress, true, leaving);
        })
    }
}

pub(super) struct Records {
    records: Vec<Arc<StoredRecord>>,
    charge: Charge,
}

/// Bytes that are in flight until this is dropped.
struct Charge {
    bytes: usize,
    in_flight: Arc<AtomicUsize>,
    cluster: Arc<Cluster>,
}

impl Records {
    pub(super) fn new(
        records: Vec<Arc<StoredRecord>>,
        in_flight: Arc<AtomicUsize>,
        cluster: Arc<Cluster>,
    ) -> Self {
        let bytes = records.iter().map(|r| size_bytes(&r.key, &r.value, &r.headers)).sum();
        Records { records, charge: Charge::new(bytes, in_flight, cluster) }
    }
}

impl Charge {
    fn new(bytes: usize, in_flight: Arc<AtomicUsize>, cluster: Arc<Cluster>) -> Self {
        in_flight.fetch_add(bytes, Ordering::AcqRel);
        Charge { bytes, in_flight, cluster }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.bytes, Ordering::AcqRel);
        self.cluster.wake();
    }
}

impl RecordSource for Records {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn stamp(&self, index: usize) -> (Offset, i64) {
        (self.records[index].offset, self.records[index].timestamp_ms)
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        self.records[index].key.as_deref()
    }

    fn value(&self, index: usize) -> Option<&[u8]> {
        self.records[index].value.as_deref()
    }

    fn header_count(&self, index: usize) -> usize {
        self.records[index].headers.len()
    }

    fn header(&self, index: usize, header: usize) -> (&[u8], Option<&[u8]>) {
        let header = self.records[index].headers.iter().nth(header);
        header.map_or((&[], None), |header| (&header.name, header.value.as_deref()))
    }

    fn size_bytes(&self) -> usize {
        self.charge.bytes
    }

    fn charge(&self, bytes: usize) -> Option<ByteCharge> {
        let Charge { in_flight, cluster, .. } = &self.charge;
        Some(Box::new(Charge::new(bytes, Arc::clone(in_flight), Arc::clone(cluster))))
    }
}
