//! Which partitions are ours, and since which epoch.
//!
//! A live member can commit a partition that it does not own, and the broker lets it: only the
//! epochs kept here prevent that.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::topic_partition_list::Offset as NativeOffset;
use rustc_hash::FxHashMap;

use tokio::sync::mpsc::UnboundedSender;

use super::budget::{Budget, InFlight};
use super::hold::Need;
use super::leader_epochs::LeaderEpochs;
use super::raw::set_last_leader_epoch;
use crate::broker::{OffsetReset, PartitionEvent, Progress, ResetReason};
use crate::delivery::{Epoch, NextOffset, TopicPartition};
use crate::event::TopicName;

/// For so long after its assignment a partition is taken to have records if its log has.
const BEGUN: Duration = Duration::from_secs(10);
/// For so long a partition with records in its log is waited for. The end of a log says nothing of a
/// transaction that is open, whose records nobody gets before its end.
const AWAITED: Duration = Duration::from_secs(1);
/// After so long it is waited for again: such a transaction may be over.
const AWAITED_AGAIN: Duration = Duration::from_secs(10);

/// Where the log of a topic that was just made begins.
const BEGINNING: NextOffset = NextOffset(0);

#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) partition: Arc<TopicPartition>,
    pub(super) epoch: Epoch,
    pub(super) in_flight: Arc<InFlight>,
    /// Where the next record is expected: behind all that was handed over. `None` while that is not
    /// known.
    pub(super) next: Option<NextOffset>,
    /// The leader epoch of what lies before `next`, where it is known.
    pub(super) leader_epoch: Option<i32>,
    /// Where an error message has moved librdkafka's position to, which says nothing of what was read.
    pub(super) moved_to: Option<NextOffset>,
    /// Where its records go, if it has a queue of its own.
    pub(super) queue: Option<UnboundedSender<PartitionEvent>>,
    assigned: Instant,
    /// Since when it is waited for, having little to do although its log goes on at this offset.
    awaited: Option<(Option<NextOffset>, Instant)>,
    /// Fetching is paused until there is room.
    is_paused: bool,
    /// Nothing more of it is handed over in this epoch.
    is_stopped: bool,
    /// Its topic was recreated, and whoever owns it next begins at its beginning.
    is_made_anew: bool,
    /// It was read from another cluster, and nothing of it is committed.
    is_of_another_cluster: bool,
}

impl Owned {
    /// A partition that is read without a group, and belongs to nobody.
    pub(super) fn by_nobody(partition: TopicPartition) -> Owned {
        Owned::new(partition, Epoch::default(), Arc::default())
    }

    fn new(partition: TopicPartition, epoch: Epoch, in_flight: Arc<InFlight>) -> Owned {
        Owned {
            partition: Arc::new(partition),
            epoch,
            in_flight,
            next: None,
            leader_epoch: None,
            moved_to: None,
            queue: None,
            assigned: Instant::now(),
            awaited: None,
            is_paused: false,
            is_stopped: false,
            is_made_anew: false,
            is_of_another_cluster: false,
        }
    }

    /// Where librdkafka has to go back to, when an error message moved its position beyond what was read.
    pub(super) fn moved_from(&self) -> Option<NextOffset> {
        let moved_to = self.moved_to?;
        match self.next {
            Some(next) => (next < moved_to).then_some(next),
            None => Some(NextOffset(moved_to.0 - 1)),
        }
    }

    fn is_fetching(&self) -> bool {
        !self.is_paused && !self.is_stopped
    }

    /// Whether its log, from its first to its last offset, goes on behind what was handed over.
    fn has_more(&self, log: Option<(NextOffset, NextOffset)>, now: Instant) -> bool {
        let has_begun = now.duration_since(self.assigned) < BEGUN;
        match (log, self.next) {
            (Some((_, end)), Some(next)) => next < end,
            // Where its group goes on is not known; by then the first record was here.
            (Some((start, end)), None) => start < end && has_begun,
            (None, _) => has_begun,
        }
    }

    /// Whether what its log has can still be expected to come.
    fn is_awaited(&mut self, now: Instant) -> bool {
        match self.awaited {
            Some((next, since))
                if next == self.next && now.duration_since(since) < AWAITED_AGAIN =>
            {
                now.duration_since(since) < AWAITED
            }
            _ => {
                self.awaited = Some((self.next, now));
                true
            }
        }
    }
}

/// The partitions of one consumer.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    topics: FxHashMap<TopicName, FxHashMap<i32, Owned>>,
    /// Also of partitions that are gone, as long as records of theirs are in flight.
    in_flight: FxHashMap<TopicPartition, Weak<InFlight>>,
    leader_epochs: LeaderEpochs,
    paused: usize,
    /// When a partition paused or went on last.
    turned: Option<Instant>,
    last_epoch: u64,
}

impl Assignment {
    /// Takes partitions in, all in a new epoch.
    pub(super) fn add(&mut self, partitions: &[TopicPartition]) -> Epoch {
        self.last_epoch += 1;
        let epoch = Epoch(self.last_epoch);
        self.in_flight.retain(|_, in_flight| in_flight.strong_count() > 0);
        for partition in partitions {
            self.leader_epochs.forget(partition);
            let before = self.in_flight.get(partition).and_then(Weak::upgrade);
            let in_flight = before.unwrap_or_default();
            self.in_flight.insert(partition.clone(), Arc::downgrade(&in_flight));
            let owned = Owned::new(partition.clone(), epoch, in_flight);
            self.topics
                .entry(partition.topic.clone())
                .or_default()
                .insert(partition.partition, owned);
        }
        self.count_paused();
        epoch
    }

    /// From now on what comes of the partition goes there.
    pub(super) fn set_queue(
        &mut self,
        partition: &TopicPartition,
        queue: UnboundedSender<PartitionEvent>,
    ) {
        let owned = self.topics.get_mut(partition.topic.as_str());
        if let Some(owned) = owned.and_then(|owned| owned.get_mut(&partition.partition)) {
            owned.queue = Some(queue);
        }
    }

    /// Where what comes of the partition in this epoch goes, if it has a queue of its own.
    pub(super) fn queue(
        &self,
        partition: &TopicPartition,
        epoch: Epoch,
    ) -> Option<UnboundedSender<PartitionEvent>> {
        let owned = self.topics.get(partition.topic.as_str())?.get(&partition.partition)?;
        owned.queue.clone().filter(|_| owned.epoch == epoch)
    }

    /// The topics of which partitions are ours.
    pub(super) fn topics(&self) -> Vec<TopicName> {
        let ours = self.topics.iter().filter(|(_, partitions)| !partitions.is_empty());
        ours.map(|(topic, _)| topic.clone()).collect()
    }

    /// The epoch of the last partitions that came.
    pub(super) fn last_epoch(&self) -> Epoch {
        Epoch(self.last_epoch)
    }

    /// Gives partitions up: whatever still comes of them is stale. Says which of them are paused:
    /// librdkafka would keep that until they are ours again, and nobody would resume them then.
    #[must_use]
    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) -> Option<TopicPartitionList> {
        let mut paused = TopicPartitionList::new();
        for TopicPartition { topic, partition } in partitions {
            let owned = self.topics.get_mut(topic.as_str());
            if owned.and_then(|owned| owned.remove(partition)).is_some_and(|owned| owned.is_paused)
            {
                paused.add_partition(topic.as_str(), *partition);
            }
        }
        self.count_paused();
        (paused.count() > 0).then_some(paused)
    }

    fn count_paused(&mut self) {
        self.paused = self.all().filter(|owned| owned.is_paused).count();
    }

    fn all(&self) -> impl Iterator<Item = &Owned> {
        self.topics.values().flat_map(FxHashMap::values)
    }

    /// How many partitions are ours.
    pub(super) fn len(&self) -> usize {
        self.topics.values().map(FxHashMap::len).sum()
    }

    /// The partition, if it is ours and its records may be handed over.
    pub(super) fn open(&self, topic: &str, partition: i32) -> Option<Owned> {
        let owned = self.topics.get(topic)?.get(&partition)?;
        (!owned.is_stopped).then(|| owned.clone())
    }

    /// The partitions that are being fetched.
    pub(super) fn fetching(&self) -> Vec<Owned> {
        self.all().filter(|owned| owned.is_fetching()).cloned().collect()
    }

    /// What the partitions that are being fetched need; `log` says where one begins and ends, as the last
    /// answer to a fetch had it.
    pub(super) fn need(
        &mut self,
        budget: &Budget,
        now: Instant,
        log: impl Fn(&TopicPartition) -> Option<(NextOffset, NextOffset)>,
    ) -> Need {
        let lacks_work =
            |owned: &Owned| owned.in_flight.workable() < budget.enough(&owned.in_flight);
        if self.all().filter(|owned| owned.is_fetching()).all(lacks_work) {
            return Need::More;
        }
        let mut need = Need::Nothing;
        for owned in self.topics.values_mut().flat_map(FxHashMap::values_mut) {
            if owned.is_fetching() && lacks_work(owned) {
                need = Need::Perhaps;
                if owned.has_more(log(&owned.partition), now) && owned.is_awaited(now) {
                    return Need::More;
                }
            }
        }
        need
    }

    /// Everything of the partition before `next` was handed over.
    pub(super) fn advance(
        &mut self,
        partition: &TopicPartition,
        next: Option<NextOffset>,
        leader_epoch: Option<i32>,
    ) {
        let owned = self.topics.get_mut(partition.topic.as_str());
        if let Some(owned) = owned.and_then(|owned| owned.get_mut(&partition.partition)) {
            (owned.next, owned.leader_epoch) = (next, leader_epoch);
        }
    }

    /// An error message with this offset came in place of a record: librdkafka counts the offset as read
    /// (2.12.1, `rd_kafka_q_serve_rkmessages`), and that is the offset of the next record.
    /// An error about a partition that is gone has no offset, and librdkafka says 0: that is no place to go back to.
    pub(super) fn note_error(&mut self, topic: &str, partition: i32, offset: i64, is_gone: bool) {
        let owned = self.topics.get_mut(topic).and_then(|owned| owned.get_mut(&partition));
        if let Some(owned) = owned.filter(|owned| offset >= 0 && !(is_gone && owned.next.is_none()))
        {
            owned.moved_to = owned.moved_to.max(Some(NextOffset(offset + 1)));
        }
    }

    /// The partitions whose position in librdkafka an error message moved, and where each goes on. From then
    /// on it is taken to be there.
    pub(super) fn take_moved(&mut self) -> Vec<(Arc<TopicPartition>, NextOffset)> {
        let mut moved = Vec::new();
        for owned in self.topics.values_mut().flat_map(FxHashMap::values_mut) {
            if let Some(from) = owned.moved_from().filter(|_| !owned.is_stopped) {
                moved.push((Arc::clone(&owned.partition), from));
                owned.moved_to = None;
            }
        }
        moved
    }

    /// From `first` on the partition holds what was written in this leader's epoch.
    pub(super) fn note_leader_epoch(
        &mut self,
        partition: &TopicPartition,
        first: i64,
        leader_epoch: Option<i32>,
    ) {
        self.leader_epochs.note(partition, first, leader_epoch);
    }

    /// Stops handing over records of a partition in this epoch; says whether it went on before.
    /// What was handed over can still be committed.
    pub(super) fn stop(&mut self, topic: &str, partition: i32) -> bool {
        let owned = self.topics.get_mut(topic).and_then(|owned| owned.get_mut(&partition));
        owned.is_some_and(|owned| !std::mem::replace(&mut owned.is_stopped, true))
    }

    /// The topic was recreated: nothing more of it is handed over, and what is committed of it from now on is
    /// the beginning, whatever comes. Gives where its partitions were before.
    pub(super) fn make_anew(&mut self, topic: &str) -> Vec<(OffsetReset, Progress)> {
        let owned = self.topics.get_mut(topic).into_iter().flat_map(FxHashMap::values_mut);
        let owned = owned.filter(|owned| !owned.is_made_anew);
        owned
            .map(|owned| {
                (owned.is_stopped, owned.is_made_anew) = (true, true);
                let (partition, epoch) = ((*owned.partition).clone(), owned.epoch);
                let begins = Progress {
                    partition: partition.clone(),
                    epoch,
                    next: BEGINNING,
                    metadata: String::new(),
                };
                let (from, reason) = (owned.next.unwrap_or(BEGINNING), ResetReason::LogTruncated);
                (OffsetReset { partition, epoch, reason, from, to: BEGINNING }, begins)
            })
            .collect()
    }

    /// The client is led to another cluster: nothing more is handed over or committed in the present epochs.
    pub(super) fn leave_cluster(&mut self) {
        for owned in self.topics.values_mut().flat_map(FxHashMap::values_mut) {
            (owned.is_stopped, owned.is_of_another_cluster) = (true, true);
        }
    }

    /// What of `progress` counts still, as it is to be committed.
    pub(super) fn current(&self, progress: &mut Vec<Progress>) {
        progress.retain_mut(|done| {
            let owned = self.topics.get(done.partition.topic.as_str());
            let owned = owned.and_then(|owned| owned.get(&done.partition.partition));
            let counts = |owned: &&Owned| owned.epoch == done.epoch && !owned.is_of_another_cluster;
            let Some(owned) = owned.filter(counts) else { return false };
            if owned.is_made_anew {
                (done.next, done.metadata) = (BEGINNING, String::new());
            }
            true
        });
    }

    /// Stops handing over records of any partition in its present epoch.
    pub(super) fn stop_all(&mut self) {
        for owned in self.topics.values_mut().flat_map(FxHashMap::values_mut) {
            owned.is_stopped = true;
        }
    }

    /// Which partitions have to pause now; they count as paused from then on.
    pub(super) fn take_pausing(&mut self, budget: &Budget) -> Option<TopicPartitionList> {
        self.turn(|owned| {
            !owned.is_paused && (owned.is_stopped || budget.has_to_pause(&owned.in_flight))
        })
    }

    /// Which paused partitions go on now; they count as fetching from then on.
    pub(super) fn take_resuming(&mut self, budget: &Budget) -> Option<TopicPartitionList> {
        self.turn(|owned| {
            owned.is_paused && !owned.is_stopped && budget.may_go_on(&owned.in_flight)
        })
    }

    fn turn(&mut self, which: impl Fn(&Owned) -> bool) -> Option<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for owned in self.topics.values_mut().flat_map(FxHashMap::values_mut) {
            if which(owned) {
                owned.is_paused = !owned.is_paused;
                list.add_partition(owned.partition.topic.as_str(), owned.partition.partition);
            }
        }
        if list.count() == 0 {
            return None;
        }
        self.count_paused();
        self.turned = Some(Instant::now());
        Some(list)
    }

    /// Whether any partition is paused.
    pub(super) fn has_paused(&self) -> bool {
        self.paused > 0
    }

    /// Since when the paused partitions are the same; `None` when none is paused.
    pub(super) fn paused_since(&self) -> Option<Instant> {
        self.turned.filter(|_| self.has_paused())
    }

    /// Whether work of `epoch` on `partition` still counts.
    pub(super) fn is_current(&self, partition: &TopicPartition, epoch: Epoch) -> bool {
        self.topics
            .get(partition.topic.as_str())
            .and_then(|owned| owned.get(&partition.partition))
            .is_some_and(|owned| owned.epoch == epoch)
    }

    /// What of `progress` may be committed; `None` when nothing may.
    pub(super) fn committable(&self, progress: &[Progress]) -> Option<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(progress.len());
        for done in progress.iter().filter(|done| self.is_current(&done.partition, done.epoch)) {
            let mut entry =
                list.add_partition(done.partition.topic.as_str(), done.partition.partition);
            if !done.metadata.is_empty() {
                entry.set_metadata(&done.metadata);
            }
            // Refused only for an offset that librdkafka cannot express, such as a negative one.
            if entry.set_offset(NativeOffset::Offset(done.next.0)).is_err() {
                tracing::error!(partition = %done.partition, next = %done.next, "offset cannot be committed");
            }
            if let Some(epoch) = self.leader_epochs.before(&done.partition, done.next) {
                set_last_leader_epoch(&mut list, epoch);
            }
        }
        (list.count() > 0).then_some(list)
    }
}

#[cfg(test)]
mod tests;
