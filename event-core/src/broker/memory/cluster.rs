//! The shared state of the cluster: records, groups, and who owns which partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::faults::Faults;
use crate::broker::{AssignedPartition, BrokerError, OutgoingRecord, Progress};
use crate::delivery::{Epoch, NextOffset, Offset, TopicPartition};
use crate::event::{GroupName, Headers, TopicName};

/// A record as it lies in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset.
    pub offset: Offset,
    /// In which leader's epoch it was written.
    pub leader_epoch: i32,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key; null and empty are different.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

pub(super) type MemberId = u64;

/// Kafka's default of `offset.metadata.max.bytes`.
const MAX_METADATA_BYTES: usize = 4096;

/// The state behind one lock, and a signal that it changed.
#[derive(Default)]
pub(super) struct Cluster {
    state: Mutex<ClusterState>,
    changed: Notify,
    pub(super) faults: Faults,
}

#[derive(Default)]
pub(super) struct ClusterState {
    pub(super) topics: BTreeMap<TopicName, Vec<Log>>,
    pub(super) groups: BTreeMap<GroupName, Group>,
    pub(super) refused_writes: BTreeMap<TopicName, BrokerError>,
    pub(super) refused_creations: BTreeMap<TopicName, BrokerError>,
    pub(super) refused_offsets: BTreeMap<TopicPartition, BrokerError>,
    pub(super) record_limits: BTreeMap<TopicName, usize>,
    pub(super) max_metadata_bytes: Option<usize>,
    pub(super) failing_commits: u32,
    next_member: MemberId,
    next_epoch: u64,
    next_partition: usize,
}

/// A partition.
#[derive(Default)]
pub(super) struct Log {
    pub(super) records: Vec<Arc<StoredRecord>>,
    /// Where each leader began that cut the log off; the first of all is in epoch 0.
    starts: Vec<usize>,
}

impl Log {
    /// The epoch of its leader.
    pub(super) fn leader_epoch(&self) -> usize {
        self.starts.len()
    }

    /// Where one goes on who came to `next` in this epoch.
    pub(super) fn valid(&self, next: NextOffset, leader_epoch: usize) -> NextOffset {
        let starts = self.starts.get(leader_epoch..).unwrap_or_default();
        let start = starts.iter().min().and_then(|start| i64::try_from(*start).ok());
        start.map_or(next, |start| next.min(NextOffset(start)))
    }

    pub(super) fn end(&self) -> NextOffset {
        NextOffset(i64::try_from(self.records.len()).unwrap_or(i64::MAX))
    }
}

#[derive(Default)]
pub(super) struct Group {
    pub(super) committed: BTreeMap<TopicPartition, (NextOffset, String)>,
    members: BTreeMap<MemberId, Vec<TopicName>>,
    owners: BTreeMap<TopicPartition, Owner>,
    /// What is to be given up by its owner and assigned anew.
    to_revoke: BTreeSet<TopicPartition>,
    /// What members have lost without knowing it yet, and when they will.
    lost: BTreeMap<MemberId, (Instant, Vec<TopicPartition>)>,
}

struct Owner {
    member: MemberId,
    epoch: Epoch,
    /// It was asked to release the partition.
    leaving: bool,
}

/// What a member has to do about its partitions.
pub(super) enum Change {
    Assigned(Vec<AssignedPartition>, Epoch),
    /// With the epochs that end.
    Revoked(Vec<(TopicPartition, Epoch)>),
    Lost(Vec<TopicPartition>),
}

impl Cluster {
    pub(super) fn read<T>(&self, read: impl FnOnce(&ClusterState) -> T) -> T {
        // Every change is a whole one, so the state behind a poisoned lock is sound.
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and wakes whoever waits for it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut ClusterState) -> T) -> T {
        let result = self.change_quietly(change);
        self.wake();
        result
    }

    /// Changes what nobody waits for.
    pub(super) fn change_quietly<T>(&self, change: impl FnOnce(&mut ClusterState) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl ClusterState {
    pub(super) fn create_topic(&mut self, topic: &TopicName, partitions: usize) {
        self.topics
            .entry(topic.clone())
            .or_insert_with(|| (0..partitions).map(|_| Log::default()).collect());
    }

    pub(super) fn append(
        &mut self,
        record: OutgoingRecord,
        now_ms: i64,
    ) -> Result<(TopicPartition, Offset), BrokerError> {
        if let Some(error) = self.refused_writes.get(&record.topic) {
            return Err(error.clone());
        }
        let bytes = record.size_bytes();
        if self.record_limits.get(&record.topic).is_some_and(|limit| bytes > *limit) {
            let reason = "over the limit that was set for the topic".to_owned();
            return Err(BrokerError::TooLarge { topic: record.topic.to_string(), bytes, reason });
        }
        let unknown = || BrokerError::UnknownTopic(record.topic.to_string());
        let partitions = self.topics.get_mut(&record.topic).ok_or_else(unknown)?;
        let index = match (record.partition, &record.key) {
            (Some(partition), _) => usize::try_from(partition).unwrap_or(usize::MAX),
            (None, Some(key)) => hash(key) % partitions.len(),
            (None, None) => {
                self.next_partition += 1;
                self.next_partition % partitions.len()
            }
        };
        let log = partitions.get_mut(index).ok_or_else(|| {
            BrokerError::Other(format!("topic `{}` has no partition {index}", record.topic))
        })?;
        let partition = TopicPartition {
            topic: record.topic,
            partition: i32::try_from(index).unwrap_or(i32::MAX),
        };
        let offset = Offset(log.end().0);
        log.records.push(Arc::new(StoredRecord {
            partition: partition.clone(),
            offset,
            leader_epoch: i32::try_from(log.leader_epoch()).unwrap_or(i32::MAX),
            timestamp_ms: record.timestamp_ms.unwrap_or(now_ms),
            key: record.key,
            value: record.value,
            headers: record.headers,
        }));
        Ok((partition, offset))
    }

    pub(super) fn join(&mut self, group: &GroupName, topics: Vec<TopicName>) -> MemberId {
        self.next_member += 1;
        let members = &mut self.groups.entry(group.clone()).or_default().members;
        members.insert(self.next_member, topics);
        self.next_member
    }

    pub(super) fn leave(&mut self, group: &GroupName, member: MemberId) {
        if let Some(group) = self.groups.get_mut(group) {
            group.members.remove(&member);
            group.lost.remove(&member);
            group.owners.retain(|_, owner| owner.member != member);
        }
    }

    /// What `member` has to do next to reach the group's target; taking partitions happens here.
    pub(super) fn next_change(&mut self, group: &GroupName, member: MemberId) -> Option<Change> {
        let ClusterState { topics, groups, next_epoch, .. } = self;
        let group = groups.get_mut(group)?;
        if group.lost.get(&member).is_some_and(|(noticed, _)| *noticed <= Instant::now()) {
            return group.lost.remove(&member).map(|(_, partitions)| Change::Lost(partitions));
        }
        let target = group.target(topics);
        let mine = |partition: &TopicPartition| target.get(partition) == Some(&member);
        let mut leaving = Vec::new();
        for (partition, owner) in &mut group.owners {
            let goes = |to_revoke: &mut BTreeSet<_>| !mine(partition) | to_revoke.remove(partition);
            if owner.member == member && !owner.leaving && goes(&mut group.to_revoke) {
                owner.leaving = true;
                leaving.push((partition.clone(), owner.epoch));
            }
        }
        if !leaving.is_empty() {
            return Some(Change::Revoked(leaving));
        }
        let free: BTreeSet<_> =
            target.keys().filter(|p| mine(p) && !group.owners.contains_key(p)).collect();
        if free.is_empty() {
            return None;
        }
        *next_epoch += 1;
        let epoch = Epoch(*next_epoch);
        let taken = free.into_iter().map(|partition| {
            let owner = Owner { member, epoch, leaving: false };
            group.owners.insert(partition.clone(), owner);
            let (next, metadata) = group.committed.get(partition).cloned().unzip();
            let metadata = metadata.unwrap_or_default();
            AssignedPartition { partition: partition.clone(), next, metadata }
        });
        Some(Change::Assigned(taken.collect(), epoch))
    }

    /// Commits what belongs to the present owner and epoch, and gives it back; the rest is dropped.
    pub(super) fn commit(
        &mut self,
        group: &GroupName,
        member: MemberId,
        mut progress: Vec<Progress>,
    ) -> Result<Vec<Progress>, BrokerError> {
        if self.failing_commits > 0 {
            self.failing_commits -= 1;
            return Err(BrokerError::Other("the test made the commit fail".into()));
        }
        let max_metadata_bytes = self.max_metadata_bytes.unwrap_or(MAX_METADATA_BYTES);
        let Some(group) = self.groups.get_mut(group) else { return Ok(Vec::new()) };
        progress.retain(|done| {
            let owner = group.owners.get(&done.partition);
            owner.is_some_and(|owner| owner.member == member && owner.epoch == done.epoch)
        });
        let mut committed = Ok(());
        for Progress { partition, next, metadata, .. } in &progress {
            if metadata.len() > max_metadata_bytes {
                let bytes = match committed {
                    Err(BrokerError::MetadataTooLarge { bytes }) => bytes.max(metadata.len()),
                    _ => metadata.len(),
                };
                committed = Err(BrokerError::MetadataTooLarge { bytes });
                continue;
            }
            group.committed.insert(partition.clone(), (*next, metadata.clone()));
        }
        committed.map(|()| progress)
    }

    /// Sets the offsets of a group that has no members.
    pub(super) fn reset(
        &mut self,
        group: &GroupName,
        offsets: &[(TopicPartition, NextOffset)],
    ) -> Result<(), BrokerError> {
        for (partition, _) in offsets {
            self.log(partition)?;
        }
        let Group { committed, members, .. } = self.groups.entry(group.clone()).or_default();
        if !members.is_empty() {
            return Err(BrokerError::GroupActive(group.to_string()));
        }
        let offsets =
            offsets.iter().map(|(partition, next)| (partition.clone(), (*next, String::new())));
        committed.extend(offsets);
        Ok(())
    }

    /// The records of a partition.
    pub(super) fn log(&self, partition: &TopicPartition) -> Result<&Log, BrokerError> {
        let TopicPartition { topic, partition } = partition;
        let partitions = self.topics.get(topic);
        let partitions = partitions.ok_or_else(|| BrokerError::UnknownTopic(topic.to_string()))?;
        let log = usize::try_from(*partition).ok().and_then(|index| partitions.get(index));
        log.ok_or_else(|| {
            BrokerError::Other(format!("topic `{topic}` has no partition {partition}"))
        })
    }

    /// Removes the records of a partition from `end` on, and begins a new leader epoch.
    pub(super) fn truncate(&mut self, partition: &TopicPartition, end: NextOffset) {
        let TopicPartition { topic, partition } = partition;
        let index = usize::try_from(*partition).unwrap_or(usize::MAX);
        let partitions = self.topics.get_mut(topic);
        let Some(log) = partitions.and_then(|partitions| partitions.get_mut(index)) else { return };
        log.records.truncate(usize::try_from(end.0).unwrap_or(0));
        log.starts.push(log.records.len());
    }

    /// Frees partitions that `member` gives up, unless they are in another epoch by now.
    pub(super) fn release(
        &mut self,
        group: &GroupName,
        member: MemberId,
        partitions: &[(TopicPartition, Epoch)],
    ) {
        if let Some(group) = self.groups.get_mut(group) {
            let released = |p: &TopicPartition, owner: &Owner| {
                let ends = |(partition, epoch): &(TopicPartition, Epoch)| {
                    partition == p && *epoch == owner.epoch
                };
                owner.member == member && partitions.iter().any(ends)
            };
            group.owners.retain(|partition, owner| !released(partition, owner));
        }
    }

    pub(super) fn revoke(&mut self, group: &GroupName, partitions: &[TopicPartition]) {
        if let Some(group) = self.groups.get_mut(group) {
            let owned = partitions.iter().filter(|p| group.owners.contains_key(p));
            group.to_revoke.extend(owned.cloned());
        }
    }

    pub(super) fn lose(
        &mut self,
        group: &GroupName,
        partitions: &[TopicPartition],
        noticed: Instant,
    ) {
        let Some(group) = self.groups.get_mut(group) else { return };
        for partition in partitions {
            let Some(owner) = group.owners.remove(partition) else { continue };
            group.to_revoke.remove(partition);
            // What it was giving up anyway it does not hear of again.
            if !owner.leaving {
                let (_, lost) = group.lost.entry(owner.member).or_insert((noticed, Vec::new()));
                lost.push(partition.clone());
            }
        }
    }

    /// When `member` learns that it has lost partitions.
    pub(super) fn notices_at(&self, group: &GroupName, member: MemberId) -> Option<Instant> {
        Some(self.groups.get(group)?.lost.get(&member)?.0)
    }

    pub(super) fn owner(
        &self,
        group: &GroupName,
        partition: &TopicPartition,
    ) -> Option<(MemberId, Epoch)> {
        let owner = self.groups.get(group)?.owners.get(partition)?;
        Some((owner.member, owner.epoch))
    }

    /// What the owner of `partition` has in the group.
    pub(super) fn owned_together(
        &self,
        group: &GroupName,
        partition: &TopicPartition,
    ) -> Vec<TopicPartition> {
        let owned = self.groups.get(group).and_then(|group| {
            let member = group.owners.get(partition)?.member;
            let owned = group.owners.iter().filter(|(_, owner)| owner.member == member);
            Some(owned.map(|(partition, _)| partition.clone()).collect())
        });
        owned.unwrap_or_default()
    }
}

impl Group {
    // The partitions of each topic go round the members that want it.
    fn target(&self, topics: &BTreeMap<TopicName, Vec<Log>>) -> BTreeMap<TopicPartition, MemberId> {
        let mut target = BTreeMap::new();
        for (topic, partitions) in topics {
            let wants = |member: &(&MemberId, &Vec<TopicName>)| member.1.contains(topic);
            // One that was thrown out comes back when it notices.
            let present = |member: &MemberId| !self.lost.contains_key(member);
            let members = self.members.iter().filter(wants).map(|(id, _)| *id);
            let members: Vec<_> = members.filter(present).collect();
            for (index, member) in members.iter().cycle().take(partitions.len()).enumerate() {
                let partition = i32::try_from(index).unwrap_or(i32::MAX);
                target.insert(TopicPartition { topic: topic.clone(), partition }, *member);
            }
        }
        target
    }
}

// FNV-1a: any hash will do, as long as a key always gives the same partition.
fn hash(key: &[u8]) -> usize {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash >> 1).unwrap_or(0)
}
