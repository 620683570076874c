//! What is true of the records, and what the engine may therefore do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use event_core::broker::Progress;
use event_core::delivery::TopicPartition;
use event_core::handler::Order;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::lane::{Fact, Lane, Try};
use crate::script::Act;

/// How often a record is tried.
pub(super) const ATTEMPTS: u32 = 3;
/// The delay after the first attempt; it doubles.
pub(super) const BACKOFF: Duration = Duration::from_millis(100);
/// How often is committed.
pub(super) const COMMIT_INTERVAL: Duration = Duration::from_millis(50);
/// How long a revocation waits for the records in flight.
pub(super) const DRAIN: Duration = Duration::from_millis(300);

/// How many records the handlers without the order of the partition have in flight.
pub(super) const CONCURRENCY: usize = 4;

/// How long a call with several records may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);

/// A record in flight: its offset, which attempt it is, and its key.
type InFlight = (i64, u32, Option<Bytes>);

/// A call that waits for its end.
#[derive(Debug)]
pub struct Hand {
    /// The partition, by index.
    pub lane: usize,
    /// The epoch in which it began.
    pub epoch: u64,
    /// Its records.
    pub records: Vec<InFlight>,
    /// How it is stopped.
    pub end: oneshot::Sender<Act>,
}

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// Without effect.
    Before,
    /// After it took effect.
    After,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ran {
    /// Steps that had an effect.
    pub steps: u64,
    /// Steps that had none, such as finishing when nothing is in flight.
    pub idle: u64,
}

/// Everything that is true.
#[derive(Debug)]
pub struct Facts {
    /// The order of the handlers.
    pub order: Order,
    /// Whether they take several records at once.
    pub in_batches: bool,
    /// The partitions.
    pub lanes: Vec<Lane>,
    /// The attempts in flight, by the number of the attempt.
    pub hands: BTreeMap<u64, Hand>,
    /// How the next commits fail, the last first.
    pub failing_commits: Vec<CommitFault>,
    /// Whether dead letters are refused.
    pub letters_refused: bool,
    /// What was wrong.
    pub violations: Vec<String>,
    next_hand: u64,
    /// All calls that have begun and not ended.
    begun: BTreeMap<u64, Begun>,
}

/// A call that has begun.
#[derive(Debug)]
struct Begun {
    lane: usize,
    epoch: u64,
    offsets: Vec<i64>,
    at: Instant,
}

impl Facts {
    /// No records, nothing assigned.
    #[must_use]
    pub fn new(order: Order, in_batches: bool, partitions: Vec<TopicPartition>) -> Self {
        let lanes = partitions.into_iter().map(Lane::new);
        Facts {
            order,
            in_batches,
            lanes: lanes.collect(),
            hands: BTreeMap::new(),
            failing_commits: Vec::new(),
            begun: BTreeMap::new(),
            letters_refused: false,
            violations: Vec::new(),
            next_hand: 0,
        }
    }

    /// The index of a partition.
    #[must_use]
    pub fn lane(&self, partition: &TopicPartition) -> usize {
        self.lanes.iter().position(|lane| lane.partition == *partition).unwrap_or(usize::MAX)
    }

    /// A call begins (invariants 3 and 6).
    pub fn begin(
        &mut self,
        partition: &TopicPartition,
        records: &[InFlight],
    ) -> (u64, oneshot::Receiver<Act>) {
        let index = self.lane(partition);
        let (end, ended) = oneshot::channel();
        self.next_hand += 1;
        let Some(epoch) = self.lanes[index].epoch else {
            let wrong = format!("{partition} {records:?}: the partition is not ours");
            self.violations.push(wrong);
            return (self.next_hand, ended);
        };
        for record in records {
            let what = format!("attempt {} at {partition}@{}", record.1, record.0);
            let wrong = self.wrong_with(index, record, records);
            self.violations.extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}")));
        }
        for (offset, attempt, _) in records {
            let try_ = Try { attempt: *attempt, ended: None, together: false };
            self.lanes[index].attempts.insert(*offset, try_);
        }
        let offsets = records.iter().map(|(offset, ..)| *offset).collect();
        self.begun
            .insert(self.next_hand, Begun { lane: index, epoch, offsets, at: Instant::now() });
        self.hands
            .insert(self.next_hand, Hand { lane: index, epoch, records: records.to_vec(), end });
        (self.next_hand, ended)
    }

    /// What is wrong with beginning a record, in a call with `together`.
    fn wrong_with(&self, index: usize, record: &InFlight, together: &[InFlight]) -> Vec<String> {
        let (offset, attempt, key) = record;
        let lane = &self.lanes[index];
        let mut wrong = Vec::new();
        let delivered = lane.log.iter().take(lane.position).skip(lane.first);
        if !delivered.clone().any(|fact| fact.offset == *offset) {
            wrong.push("it was not delivered in this epoch".to_owned());
        }
        if lane.settled_now.contains(offset) {
            wrong.push("it is settled already".to_owned());
        }
        let before = |fact: &&Fact| {
            fact.offset < *offset
                && match self.order {
                    // What no handler gets has an order only where records go one after the other.
                    Order::Partition => !self.in_batches || fact.is_step(),
                    Order::Key => key.is_some() && fact.key == *key && fact.is_step(),
                    Order::None => false,
                }
        };
        let done = |fact: &&Fact| {
            lane.settled_now.contains(&fact.offset)
                || fact.settled && lane.skips(fact.offset)
                || together.iter().any(|(offset, ..)| *offset == fact.offset)
        };
        if let Some(open) = delivered.clone().filter(before).find(|fact| !done(fact)) {
            wrong.push(format!("{} before it is open", open.offset));
        }
        match lane.attempts.get(offset) {
            _ if *attempt > ATTEMPTS => wrong.push("one too many".to_owned()),
            None if *attempt == 1 => {}
            Some(before) if before.next_attempt() == *attempt => {
                let due = before.due();
                if due.is_none_or(|due| Instant::now() < due) {
                    wrong.push(format!("early: {due:?} after {before:?}"));
                }
                if together.len() > 1 {
                    wrong.push(format!("not alone after {before:?}"));
                }
            }
            other => wrong.push(format!("after {other:?}")),
        }
        let hands = self.hands.values().filter(|hand| hand.lane == index);
        for (other, _, its_key) in hands.flat_map(|hand| &hand.records) {
            let same = match self.order {
                Order::Partition => true,
                Order::Key => key.is_some() && its_key == key,
                Order::None => other == offset,
            };
            if same {
                wrong.push(format!("{other} is in flight"));
            }
        }
        wrong
    }

    /// A call was ended with `act`, or was cancelled.
    pub fn end(&mut self, hand: u64, act: Option<Act>) {
        self.hands.remove(&hand);
        let Some(Begun { lane, epoch, offsets, at }) = self.begun.remove(&hand) else { return };
        let lane = &mut self.lanes[lane];
        if lane.epoch != Some(epoch) {
            return;
        }
        let is_over_time = act.is_none() && self.in_batches && at.elapsed() >= TIMEOUT;
        let failed = matches!(act, Some(Act::Fail | Act::Panic)) || is_over_time;
        let refused = act == Some(Act::Refuse);
        for offset in &offsets {
            let Some(last) = lane.attempts.get_mut(offset) else { continue };
            // Of several, none is checked against the state of all of them.
            last.together = offsets.len() > 1;
            // Nothing is waited for where no retry can fix it.
            last.ended = Some((Instant::now(), !refused));
            let condemned = refused || failed && last.attempt >= ATTEMPTS;
            if let Some(fact) = lane.log.iter_mut().find(|fact| fact.offset == *offset) {
                fact.condemned |= condemned && !last.together;
            }
        }
    }

    /// A record was settled.
    pub fn settled(&mut self, partition: &TopicPartition, offset: i64, dead: bool) {
        let index = self.lane(partition);
        let lane = &mut self.lanes[index];
        if !lane.settled_now.insert(offset) {
            self.violations.push(format!("{partition}@{offset} settled twice in one epoch"));
        }
        let Some(fact) = lane.log.iter_mut().find(|fact| fact.offset == offset) else { return };
        fact.settled = true;
        if dead && (!fact.condemned || fact.letters == 0) {
            let Fact { condemned, letters, .. } = fact;
            let wrong = format!("condemned: {condemned}, letters: {letters}");
            self.violations.push(format!("{partition}@{offset} settled by dead letter, {wrong}"));
        }
        if !dead && fact.condemned && fact.letters == 0 {
            let wrong =
                format!("{partition}@{offset} settled, but its dead letter was not written");
            self.violations.push(wrong);
        }
    }

    /// A dead letter arrives; whether it is taken.
    pub fn letter(&mut self, origin: (&str, i32, i64), value: Option<&Bytes>) -> bool {
        if self.letters_refused {
            return false;
        }
        let (topic, partition, offset) = origin;
        let lane = self.lanes.iter_mut().find(|lane| {
            lane.partition.topic.as_str() == topic && lane.partition.partition == partition
        });
        let fact = lane.and_then(|lane| lane.log.iter_mut().find(|fact| fact.offset == offset));
        match fact {
            Some(fact) if fact.condemned && fact.value.as_ref() == value => fact.letters += 1,
            Some(fact) => {
                let wrong = format!("dead letter of {origin:?}: {fact:?}");
                self.violations.push(wrong);
            }
            None => self.violations.push(format!("dead letter from nowhere: {origin:?}")),
        }
        true
    }

    /// A commit takes effect (invariants 1 and 2).
    pub fn commit(&mut self, progress: &[Progress]) {
        for Progress { partition, epoch, next, metadata } in progress {
            let index = self.lane(partition);
            let lane = &mut self.lanes[index];
            // The port drops what is of another epoch.
            if lane.epoch != Some(epoch.0) {
                continue;
            }
            let open = lane.log.iter().find(|fact| !fact.settled).map(|fact| fact.offset);
            let end = lane.log.get(lane.position.max(1) - 1).map_or(0, |fact| fact.offset + 1);
            if open.is_some_and(|open| next.0 > open)
                || next.0 > end.max(lane.committed).max(lane.passed)
            {
                let wrong = format!("{partition}: {next} committed, {open:?} open, end {end}");
                self.violations.push(wrong);
            }
            if next.0 < lane.committed {
                self.violations.push(format!("{partition}: {next} after {}", lane.committed));
            }
            (lane.committed, lane.metadata) = (next.0, metadata.clone());
        }
    }

    /// Partitions are given up with a last commit, which must cover all that is settled (invariant
    /// 4).
    pub fn release(&mut self, lanes: impl IntoIterator<Item = usize>, progress: &[Progress]) {
        self.commit(progress);
        for index in lanes {
            let lane = &mut self.lanes[index];
            if lane.epoch.take().is_some() && lane.committed < lane.due() {
                let (partition, due, committed) = (&lane.partition, lane.due(), lane.committed);
                let wrong = format!("{partition}: given up at {committed}, {due} is due");
                self.violations.push(wrong);
            }
            lane.leaving = false;
        }
    }

    /// The engine hears that partitions are another member's.
    pub fn lost(&mut self, partitions: &[TopicPartition]) {
        for lane in self.lanes.iter_mut().filter(|lane| partitions.contains(&lane.partition)) {
            (lane.epoch, lane.leaving) = (None, false);
        }
    }

    /// All partitions are given up.
    pub fn close(&mut self, progress: &[Progress]) {
        self.release(0..self.lanes.len(), progress);
    }

    /// Whether work is left undone: where the engine runs handlers side by side and none has its fill,
    /// a record whose turn it is is in flight.
    pub fn idle_work(&self) -> Option<String> {
        // One that waits for its next attempt or its dead letter has its place still.
        let taken = self.lanes.iter().filter(|lane| lane.epoch.is_some()).flat_map(|lane| {
            lane.attempts.keys().filter(|offset| !lane.settled_now.contains(offset))
        });
        if self.order == Order::Partition || taken.count() >= CONCURRENCY {
            return None;
        }
        self.lanes.iter().enumerate().find_map(|(index, lane)| {
            let ours = lane.epoch.is_some() && !lane.leaving;
            let delivered = lane.log.iter().take(lane.position).skip(lane.first);
            let mut open =
                delivered.filter(|fact| ours && !lane.settled_now.contains(&fact.offset));
            let mut before = BTreeSet::new();
            let idle = open.find(|fact| {
                let is_step = fact.is_step();
                let first = fact.key.is_none() || is_step && before.insert(fact.key.clone());
                let turn = self.order == Order::None || first;
                let begun = lane.attempts.contains_key(&fact.offset);
                turn && is_step
                    && !begun
                    && !self
                        .hands
                        .values()
                        .filter(|hand| hand.lane == index)
                        .any(|hand| hand.records.iter().any(|one| one.0 == fact.offset))
            });
            idle.map(|fact| format!("{}@{} waits for nothing", lane.partition, fact.offset))
        })
    }

    /// What must be so in the end (invariants 1, 5 and 8).
    pub fn check_the_end(&mut self) {
        for lane in &self.lanes {
            let partition = &lane.partition;
            for Fact { offset, settled, poison, letters, .. } in &lane.log {
                if !settled || *poison && *letters == 0 {
                    let wrong = format!("settled {settled}, poison {poison}, letters {letters}");
                    self.violations.push(format!("{partition}@{offset}: {wrong}"));
                }
            }
            let end = lane.end();
            if lane.committed != end {
                let committed = lane.committed;
                self.violations.push(format!("{partition}: {committed} committed, not {end}"));
            }
        }
    }
}
