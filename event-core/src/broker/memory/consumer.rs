//! A member of a group in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::cluster::{Change, Cluster, ClusterState, MemberId, StoredRecord};
use crate::broker::{
    BrokerError, Consumer, ConsumerEvent, Progress, Revocation, Subscription, size_bytes,
};
use crate::delivery::{Epoch, NextOffset, Offset, RecordBatch, RecordSource, TopicPartition};
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
}

#[derive(Clone)]
struct Membership {
    cluster: Arc<Cluster>,
    group: GroupName,
    member: MemberId,
}

impl MemoryConsumer {
    pub(super) fn join(cluster: Arc<Cluster>, subscription: Subscription) -> Self {
        let Subscription { group, topics, max_in_flight_bytes, wants_metadata, .. } = subscription;
        let member = cluster.change(|state| state.join(&group, topics));
        MemoryConsumer {
            membership: Membership { cluster, group, member },
            positions: BTreeMap::new(),
            events: VecDeque::new(),
            in_flight: BTreeMap::new(),
            max_in_flight_bytes,
            wants_metadata,
            paused: BTreeSet::new(),
            last_served: None,
        }
    }

    fn try_next(&mut self) -> Option<ConsumerEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let Membership { cluster, group, member } = self.membership.clone();
        match cluster.change_quietly(|state| state.next_change(&group, member)) {
            Some(Change::Revoked(partitions)) => {
                for partition in &partitions {
                    self.positions.remove(partition);
                }
                Some(ConsumerEvent::Revoked(self.membership.revocation(partitions)))
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
        self.pause_or_resume();
        // Partitions take turns, beginning after the one that was served last.
        let after =
            self.positions.keys().position(|p| Some(p) > self.last_served.as_ref()).unwrap_or(0);
        let turns = self.positions.iter().skip(after).chain(self.positions.iter().take(after));
        let turns = turns.filter(|(partition, _)| !self.paused.contains(partition));
        let cluster = &self.membership.cluster;
        let (partition, epoch, records) =
            turns.into_iter().find_map(|(partition, (epoch, next))| {
                let records = cluster.read(|state| read(state, partition, *next));
                (!records.is_empty()).then(|| (partition.clone(), *epoch, records))
            })?;
        let next = records.last()?.offset.next();
        self.positions.insert(partition.clone(), (epoch, next));
        self.last_served = Some(partition.clone());
        let in_flight = Arc::clone(self.in_flight.entry(partition.clone()).or_default());
        let source = Records::new(records, in_flight, Arc::clone(cluster));
        Some(ConsumerEvent::Records(RecordBatch::new(Arc::new(partition), epoch, Box::new(source))))
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
            let cluster = Arc::clone(&self.membership.cluster);
            let changed = cluster.changed();
            // Before anything is taken, so that a future that is dropped here loses nothing; without
            // it a full backlog would never let the lanes run.
            tokio::task::coop::consume_budget().await;
            if let Some(event) = self.try_next() {
                return event;
            }
            changed.await;
        }
    }

    fn commit(&mut self, progress: &[Progress]) {
        if let Err(error) = self.membership.commit(progress) {
            self.events.push_back(ConsumerEvent::CommitFailed(error));
        }
    }

    async fn close(self, progress: Vec<Progress>, _deadline: Duration) -> Result<(), BrokerError> {
        self.membership.commit(&progress)
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        let Membership { cluster, group, member } = &self.membership;
        cluster.change(|state| state.leave(group, *member));
    }
}

impl Membership {
    fn commit(&self, progress: &[Progress]) -> Result<(), BrokerError> {
        self.cluster.change(|state| state.commit(&self.group, self.member, progress))
    }

    fn revocation(&self, partitions: Vec<TopicPartition>) -> Revocation {
        let membership = self.clone();
        let released = partitions.clone();
        Revocation::new(partitions, false, move |progress| {
            // A commit that fails here is lost with the partition; its records are delivered again.
            let _ = membership.commit(&progress);
            let Membership { cluster, group, member } = &membership;
            cluster.change(|state| state.release(group, *member, &released));
        })
    }
}

pub(super) struct Records {
    records: Vec<Arc<StoredRecord>>,
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
        in_flight.fetch_add(bytes, Ordering::AcqRel);
        Records { records, bytes, in_flight, cluster }
    }
}

impl Drop for Records {
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
        self.bytes
    }
}
