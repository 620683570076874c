//! Which partitions are ours, and since which epoch.
//!
//! A live member can commit a partition that it does not own, and the broker lets it: only the
//! epochs kept here prevent that.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::topic_partition_list::Offset as NativeOffset;
use rustc_hash::FxHashMap;

use super::budget::{Budget, InFlight};
use tokio::sync::mpsc::UnboundedSender;

use super::hold::Need;
use super::raw::set_last_leader_epoch;
use crate::broker::{PartitionEvent, Progress};
use crate::delivery::{Epoch, NextOffset, TopicPartition};
use crate::event::TopicName;

/// For so long after its assignment a partition is taken to have records if its log has.
const BEGUN: Duration = Duration::from_secs(10);

/// How many changes of a leader are remembered of a partition.
const LEADER_EPOCHS: usize = 64;

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
    /// Where its records go, if it has a queue of its own.
    pub(super) queue: Option<UnboundedSender<PartitionEvent>>,
    assigned: Instant,
    /// Fetching is paused until there is room.
    is_paused: bool,
    /// Nothing more of it is handed over in this epoch.
    is_stopped: bool,
}

impl Owned {
    /// A partition that is read without a group, and belongs to nobody.
    pub(super) fn by_nobody(partition: TopicPartition) -> Owned {
        Owned {
            partition: Arc::new(partition),
            epoch: Epoch::default(),
            in_flight: Arc::default(),
            next: None,
            leader_epoch: None,
            queue: None,
            assigned: Instant::now(),
            is_paused: false,
            is_stopped: false,
        }
    }
}

/// The partitions of one consumer.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    topics: FxHashMap<TopicName, FxHashMap<i32, Owned>>,
    /// Also of partitions that are gone, as long as records of theirs are held.
    in_flight: FxHashMap<TopicPartition, Weak<InFlight>>,
    /// In which leader's epoch records were written: the first offset and the epoch for each change,
    /// rising.
    leader_epochs: FxHashMap<TopicPartition, VecDeque<(i64, Option<i32>)>>,
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
            self.leader_epochs.remove(partition);
            let before = self.in_flight.get(partition).and_then(Weak::upgrade);
            let in_flight = before.unwrap_or_default();
            self.in_flight.insert(partition.clone(), Arc::downgrade(&in_flight));
            let owned = Owned {
                partition: Arc::new(partition.clone()),
                epoch,
                in_flight,
                next: None,
                leader_epoch: None,
                queue: None,
                assigned: Instant::now(),
                is_paused: false,
                is_stopped: false,
            };
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
        self.all().filter(|owned| !owned.is_paused && !owned.is_stopped).cloned().collect()
    }

    /// What the partitions that are being fetched need; `log` says where one begins and ends, as the last
    /// answer to a fetch had it.
    pub(super) fn need(
        &self,
        budget: &Budget,
        log: impl Fn(&TopicPartition) -> Option<(NextOffset, NextOffset)>,
    ) -> Need {
        let fetching = || self.all().filter(|owned| !owned.is_paused && !owned.is_stopped);
        let enough = budget.enough();
        if fetching().all(|owned| owned.in_flight.workable() < enough) {
            return Need::More;
        }
        let mut need = Need::Nothing;
        for owned in fetching().filter(|owned| owned.in_flight.workable() < enough) {
            need = Need::Perhaps;
            let has_more = match (log(&owned.partition), owned.next) {
                (Some((_, end)), Some(next)) => next < end,
                // Where its group goes on is not known; by then the first record was here.
                (Some((start, end)), None) => start < end && owned.assigned.elapsed() < BEGUN,
                (None, _) => owned.assigned.elapsed() < BEGUN,
            };
            if has_more {
                return Need::More;
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

    /// From `first` on the partition holds what was written in this leader's epoch.
    pub(super) fn note_leader_epoch(
        &mut self,
        partition: &TopicPartition,
        first: i64,
        leader_epoch: Option<i32>,
    ) {
        if !self.leader_epochs.contains_key(partition) {
            self.leader_epochs.insert(partition.clone(), VecDeque::new());
        }
        let Some(known) = self.leader_epochs.get_mut(partition) else { return };
        // A log that was cut off.
        while known.pop_back_if(|(offset, _)| *offset >= first).is_some() {}
        if known.back().is_none_or(|(_, last)| *last != leader_epoch) {
            known.push_back((first, leader_epoch));
        }
        if known.len() > LEADER_EPOCHS {
            known.pop_front();
        }
    }

    /// In which leader's epoch the offset before `next` was written, where it is known.
    pub(super) fn leader_epoch_before(
        &self,
        partition: &TopicPartition,
        next: NextOffset,
    ) -> Option<i32> {
        let known = self.leader_epochs.get(partition)?;
        let after = known.partition_point(|(first, _)| *first < next.0);
        known.get(after.checked_sub(1)?)?.1
    }

    /// Stops handing over records of a partition in this epoch; says whether it went on before.
    /// What was handed over can still be committed.
    pub(super) fn stop(&mut self, topic: &str, partition: i32) -> bool {
        let owned = self.topics.get_mut(topic).and_then(|owned| owned.get_mut(&partition));
        owned.is_some_and(|owned| !std::mem::replace(&mut owned.is_stopped, true))
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
            if let Some(epoch) = self.leader_epoch_before(&done.partition, done.next) {
                set_last_leader_epoch(&mut list, epoch);
            }
        }
        (list.count() > 0).then_some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::kafka::committed::names;
    use crate::broker::kafka::raw::leader_epochs_in;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition { topic: TopicName::from_static("role_events"), partition: number }
    }

    #[test]
    fn progress_of_an_old_epoch_is_dropped() {
        let mut assignment = Assignment::default();
        let old = assignment.add(&[partition(0), partition(1)]);
        assert!(assignment.remove(&[partition(0)]).is_none());
        let new = assignment.add(&[partition(0)]);
        let progress = |number, epoch| Progress {
            partition: partition(number),
            epoch,
            next: NextOffset(7),
            metadata: String::new(),
        };
        assert!(assignment.committable(&[progress(0, old), progress(2, new)]).is_none());
        let both = assignment.committable(&[progress(0, new), progress(1, old), progress(0, old)]);
        assert_eq!(both.map(|list| list.count()), Some(2));
    }

    #[test]
    fn a_commit_names_the_leader_epoch_of_the_record_before_it() {
        let mut assignment = Assignment::default();
        let epoch = assignment.add(&[partition(0)]);
        // Committed before, read since, behind a mark of which nothing is known, and read again.
        let known = [(6, Some(2)), (7, Some(2)), (9, Some(3)), (19, None), (20, Some(3))];
        for (first, leader_epoch) in known {
            assignment.note_leader_epoch(&partition(0), first, leader_epoch);
        }
        let named = |assignment: &Assignment, next| {
            let (partition, metadata) = (partition(0), String::new());
            let done = Progress { partition, epoch, next: NextOffset(next), metadata };
            let list = assignment.committable(&[done]);
            list.and_then(|list| leader_epochs_in(&list)[0])
        };
        let read =
            |assignment: &Assignment| [6, 7, 9, 10, 19, 20, 21].map(|n| named(assignment, n));
        let expected = [None, Some(2), Some(2), Some(3), Some(3), None, Some(3)];
        assert_eq!(read(&assignment), expected);
        assignment.note_leader_epoch(&partition(0), 8, Some(5));
        let expected = [None, Some(2), Some(5), Some(5), Some(5), Some(5), Some(5)];
        assert_eq!(read(&assignment), expected);
        // Whoever had it in between knows better.
        assignment.add(&[partition(0)]);
        assert_eq!(assignment.leader_epoch_before(&partition(0), NextOffset(10)), None);
    }

    #[test]
    fn what_is_still_held_counts_when_a_partition_comes_back() {
        let budget = Budget::new(100 << 10);
        let mut assignment = Assignment::default();
        assignment.add(&[partition(0), partition(1)]);
        budget.add_partitions(2);
        let before = assignment.open("role_events", 0).map(|owned| owned.in_flight);
        let held = before.map(|in_flight| budget.charge(&in_flight, 60 << 10));
        assert!(assignment.remove(&[partition(0), partition(1)]).is_none());
        assignment.add(&[partition(0), partition(1)]);
        let count = |list: Option<TopicPartitionList>| list.map(|list| list.count());
        assert_eq!(count(assignment.take_pausing(&budget)), Some(1));
        assert!(assignment.has_paused());
        assert_eq!(count(assignment.take_pausing(&budget)), None, "it is paused once");
        assert_eq!(count(assignment.take_resuming(&budget)), None);
        drop(held);
        assert_eq!(count(assignment.take_resuming(&budget)), Some(1));
        assert!(!assignment.has_paused());
    }

    #[test]
    fn what_goes_while_it_is_paused_is_told_once() {
        let budget = Budget::new(100 << 10);
        let mut assignment = Assignment::default();
        assignment.add(&[partition(0), partition(1)]);
        let in_flight = assignment.open("role_events", 1).map(|owned| owned.in_flight);
        let _held = in_flight.map(|in_flight| budget.charge(&in_flight, 200 << 10));
        assert!(assignment.take_pausing(&budget).is_some());
        let paused = assignment.remove(&[partition(0), partition(1)]);
        let paused = paused.map(|list| names(&list));
        assert_eq!(paused, Some(vec![partition(1)]));
        assert!(!assignment.has_paused());
        assert!(assignment.remove(&[partition(0), partition(1)]).is_none());
    }

    #[test]
    fn a_stopped_partition_is_committed_but_not_read_until_it_is_assigned_anew() {
        let budget = Budget::new(100 << 10);
        let mut assignment = Assignment::default();
        let epoch = assignment.add(&[partition(0)]);
        assert!(assignment.stop("role_events", 0));
        assert!(!assignment.stop("role_events", 0), "it is told once");
        assert!(assignment.open("role_events", 0).is_none());
        assert!(assignment.is_current(&partition(0), epoch));
        assert!(assignment.take_pausing(&budget).is_some());
        assert!(assignment.take_resuming(&budget).is_none());
        assert!(assignment.remove(&[partition(0)]).is_some());
        assignment.add(&[partition(0)]);
        assert!(assignment.open("role_events", 0).is_some());
    }

    #[test]
    fn messages_are_left_while_lanes_have_enough_and_taken_for_who_has_none() {
        let budget = Budget::new(1 << 20);
        budget.add_partitions(2);
        let mut assignment = Assignment::default();
        assignment.add(&[partition(0), partition(1)]);
        let log = |end: [i64; 2]| {
            move |one: &TopicPartition| {
                Some((NextOffset(0), NextOffset(end[one.partition as usize])))
            }
        };
        let ends = log([100, 10]);
        assert_eq!(assignment.need(&budget, ends), Need::More);
        let in_flight = |assignment: &Assignment, number| {
            assignment.open("role_events", number).map(|owned| owned.in_flight).unwrap()
        };
        let hot = budget.charge(&in_flight(&assignment, 0), budget.enough());
        // The other one has records, of which none has come yet.
        assert_eq!(assignment.need(&budget, ends), Need::More);
        assignment.advance(&partition(1), Some(NextOffset(9)), None);
        assert_eq!(assignment.need(&budget, ends), Need::More);
        assignment.advance(&partition(1), Some(NextOffset(10)), None);
        assert_eq!(assignment.need(&budget, ends), Need::Perhaps);
        assert_eq!(assignment.need(&budget, log([100, 11])), Need::More);
        let other = budget.charge(&in_flight(&assignment, 1), budget.enough());
        assert_eq!(assignment.need(&budget, ends), Need::Nothing);
        // One that is not fetched needs nothing.
        drop(other);
        assert!(assignment.stop("role_events", 1));
        assert_eq!(assignment.need(&budget, log([100, 11])), Need::Nothing);
        drop(hot);
        assert_eq!(assignment.need(&budget, ends), Need::More);
    }
}
