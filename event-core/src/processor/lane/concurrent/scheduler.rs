//! Decides which in-flight records of a partition may be worked on now.
//!
//! Two records are handled one after the other unless one of them has no order, or both have a key
//! and the keys differ. So the ordered ones come in phases: either records by key, side by side, or
//! records by partition, one after the other. What does not fit into the present phase is retained until
//! it is over, with everything ordered behind it. Each key has a queue, and the partition has one; what
//! is first in its queue, and has no order, stands in the line of its handler. Nothing here waits or
//! locks: a lane asks what to start and says what has ended.

mod queue;

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;
use slab::Slab;
use tokio::time::Instant;

use queue::{Line, Queue};

/// What a record must wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordOrder {
    /// Everything ordered before it.
    Partition,
    /// What is before it with the same key, by the key's hash; two keys with one hash are one.
    Key(u64),
    /// Nothing.
    None,
}

/// A handler, by the number of its route.
pub(super) type HandlerIndex = usize;

/// How much a handler takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandlerLimits {
    /// How many calls of it run at once at most.
    pub(super) concurrency: u32,
    /// How many records a call takes at most, and how long the first waits for more.
    pub(super) batch: Option<(usize, Duration)>,
}

/// An in-flight record. The number is used again when the record is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecordId(u32);

impl RecordId {
    fn key(self) -> usize {
        self.0 as usize
    }
}

/// The queue of the records that keep the order of the partition.
const OF_PARTITION: u32 = 0;

/// The in-flight records of a partition, with what a lane knows of each.
#[derive(Debug)]
pub(super) struct Scheduler<T> {
    records: Slab<InFlightRecord<T>>,
    /// By the number of the handler.
    lines: Vec<Line>,
    /// The handlers that may have something to start, in turn.
    turns: VecDeque<HandlerIndex>,
    /// Which queue a key has while records of it are in flight.
    keys: FxHashMap<u64, u32>,
    queues: Slab<Queue>,
    /// Ordered records that wait for the end of the present phase.
    retained: VecDeque<(RecordId, RecordOrder)>,
    /// How many ordered records the present phase has.
    ordered: usize,
    /// Whether they keep the order of the partition, and not that of their keys.
    by_partition: bool,
}

#[derive(Debug)]
struct InFlightRecord<T> {
    value: T,
    handler: HandlerIndex,
    state: State,
    queue: Option<u32>,
    before: Option<RecordId>,
    after: Option<RecordId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// It was started, and is not settled.
    Started,
    /// Its delay is over, but one that was started before it is in its way.
    Due,
}

impl<T> Scheduler<T> {
    pub(super) fn new() -> Self {
        let mut queues = Slab::new();
        queues.insert(Queue::default());
        Scheduler {
            records: Slab::new(),
            lines: Vec::new(),
            turns: VecDeque::new(),
            keys: FxHashMap::default(),
            queues,
            retained: VecDeque::new(),
            ordered: 0,
            by_partition: false,
        }
    }

    /// Takes a record in, after all that were taken in before.
    pub(super) fn admit(
        &mut self,
        value: T,
        (handler, limits): (HandlerIndex, HandlerLimits),
        order: RecordOrder,
        now: Instant,
    ) -> RecordId {
        while self.lines.len() <= handler {
            self.lines.push(Line::default());
        }
        self.lines[handler].limits = limits;
        let key = self.records.insert(InFlightRecord {
            value,
            handler,
            state: State::Waiting,
            queue: None,
            before: None,
            after: None,
        });
        // A lane holds far fewer records.
        let id = RecordId(u32::try_from(key).unwrap_or(u32::MAX));
        if order == RecordOrder::None {
            self.line_up_new(id, 1, now);
        } else if self.retained.is_empty() && self.fits(order) {
            self.join(id, order, now);
        } else {
            self.retained.push_back((id, order));
        }
        id
    }

    /// Whether an ordered record belongs to the present phase.
    fn fits(&self, order: RecordOrder) -> bool {
        self.ordered == 0 || self.by_partition == (order == RecordOrder::Partition)
    }

    fn join(&mut self, id: RecordId, order: RecordOrder, now: Instant) {
        self.ordered += 1;
        self.by_partition = order == RecordOrder::Partition;
        let queue = match order {
            RecordOrder::Key(key) => {
                let queues = &mut self.queues;
                let new = || u32::try_from(queues.insert(Queue::of(key))).unwrap_or(u32::MAX);
                *self.keys.entry(key).or_insert_with(new)
            }
            RecordOrder::Partition | RecordOrder::None => OF_PARTITION,
        };
        let last = self.queues[queue as usize].last.replace(id);
        let handler = {
            let record = &mut self.records[id.key()];
            (record.queue, record.before) = (Some(queue), last);
            record.handler
        };
        match last {
            None => {
                self.queues[queue as usize].first = Some(id);
                self.line_up_first(queue, now);
            }
            Some(last) => {
                self.records[last.key()].after = Some(id);
                self.lengthen(queue, last, handler);
            }
        }
    }

    /// A record came behind `last` in a queue: it may go along with those that its first stands for.
    fn lengthen(&mut self, queue: u32, last: RecordId, handler: HandlerIndex) {
        let line = &mut self.lines[handler];
        let queue = &mut self.queues[queue as usize];
        let is_next =
            queue.counted_last == Some(last) && self.records[last.key()].handler == handler;
        if is_next
            && let Some((max, _)) = line.limits.batch
            && queue.counted < max
        {
            queue.counted += 1;
            queue.counted_last = self.records[last.key()].after;
            line.available += 1;
        }
    }

    /// The first record of a queue may start, and with it those behind it for the same handler, when it
    /// takes batches.
    fn line_up_first(&mut self, queue: u32, now: Instant) {
        let Some(first) = self.queues[queue as usize].first else { return };
        let handler = self.records[first.key()].handler;
        let (mut counted, mut last) = (1, first);
        if let Some((max, _)) = self.lines[handler].limits.batch {
            while counted < max
                && let Some(next) = self.look(last).after
                && self.look(next).handler == handler
            {
                (counted, last) = (counted + 1, next);
            }
        }
        let of = &mut self.queues[queue as usize];
        (of.counted, of.counted_last) = (counted, Some(last));
        let since = of.left.take().unwrap_or(now);
        self.line_up_new(first, counted, since);
    }

    fn look(&self, id: RecordId) -> &InFlightRecord<T> {
        #[cfg(test)]
        tests::LOOKS.set(tests::LOOKS.get() + 1);
        &self.records[id.key()]
    }

    fn line_up_new(&mut self, id: RecordId, records: usize, since: Instant) {
        let handler = self.look(id).handler;
        let line = &mut self.lines[handler];
        line.ready.push_back(id);
        line.available += records;
        line.since.get_or_insert(since);
        self.give_turn(handler);
    }

    fn give_turn(&mut self, handler: HandlerIndex) {
        if !std::mem::replace(&mut self.lines[handler].has_turn, true) {
            self.turns.push_back(handler);
        }
    }

    /// The next handler that can start something and `is_open`; each has its turn.
    pub(super) fn next_handler(
        &mut self,
        now: Instant,
        mut is_open: impl FnMut(HandlerIndex) -> bool,
    ) -> Option<HandlerIndex> {
        for _ in 0..self.turns.len() {
            let handler = self.turns.pop_front()?;
            let line = &mut self.lines[handler];
            line.has_turn = line.has_more();
            if !line.has_turn {
                continue;
            }
            self.turns.push_back(handler);
            if self.can_start(handler, now) && is_open(handler) {
                return Some(handler);
            }
        }
        None
    }

    /// Whether a call of a handler could be made.
    pub(super) fn can_start(&self, handler: HandlerIndex, now: Instant) -> bool {
        let Some(line) = self.lines.get(handler) else { return false };
        if !line.has_room() || !line.again.is_empty() {
            return line.has_room();
        }
        line.is_due(now) || self.cannot_grow(line)
    }

    /// Whether a batch of the partition's order is as large as it becomes: something else is next.
    fn cannot_grow(&self, line: &Line) -> bool {
        let Some(first) = line.ready.front() else { return false };
        let queue = &self.queues[OF_PARTITION as usize];
        let is_whole = || queue.counted_last == queue.last;
        queue.first == Some(*first) && (!self.retained.is_empty() || !is_whole())
    }

    /// Starts the next record of a handler that takes one at a time, or one to be retried.
    pub(super) fn start_one(&mut self, handler: HandlerIndex) -> Option<RecordId> {
        let line = self.lines.get_mut(handler)?;
        let id = match line.again.pop_front() {
            Some(again) => again,
            None => {
                let first = line.ready.pop_front()?;
                line.available -= 1;
                self.records[first.key()].state = State::Started;
                first
            }
        };
        line.running += 1;
        Some(id)
    }

    /// Starts the next records of a handler that takes several: those to be retried one by one.
    pub(super) fn start_batch(
        &mut self,
        handler: HandlerIndex,
        now: Instant,
        records: &mut Vec<RecordId>,
    ) {
        records.clear();
        let Some(line) = self.lines.get_mut(handler) else { return };
        line.running += 1;
        if let Some(again) = line.again.pop_front() {
            records.push(again);
            return;
        }
        let max = line.limits.batch.map_or(1, |(max, _)| max);
        while records.len() < max
            && let Some(first) = line.ready.pop_front()
        {
            let mut counted = match self.records[first.key()].queue {
                Some(queue) => self.queues[queue as usize].uncount(),
                None => 1,
            };
            line.available -= counted;
            let mut next = Some(first);
            // What follows in the same queue goes along, in its order.
            while counted > 0
                && records.len() < max
                && let Some(id) = next
            {
                let record = &mut self.records[id.key()];
                record.state = State::Started;
                records.push(id);
                (counted, next) = (counted - 1, record.after);
            }
            // What is left behind in the partition has waited for a batch to fill from now on.
            let is_of_partition = self.records[first.key()].queue == Some(OF_PARTITION);
            if is_of_partition && next.is_some_and(|id| self.records[id.key()].handler == handler) {
                self.queues[OF_PARTITION as usize].left = Some(now);
            }
        }
        line.since = (!line.ready.is_empty()).then_some(now);
    }

    /// What comes next in the partition was left behind by a full batch: it waits for others from now on.
    pub(super) fn leave_next(&mut self, now: Instant) {
        self.queues[OF_PARTITION as usize].left = Some(now);
    }

    /// A call has returned. Each of its records is then [`finish`](Self::finish)ed, or handed back by
    /// [`again`](Self::again) when its delay is over.
    pub(super) fn returned(&mut self, handler: HandlerIndex) {
        if let Some(line) = self.lines.get_mut(handler) {
            line.running = line.running.saturating_sub(1);
        }
    }

    /// A record that was started is to be retried now. It kept its place.
    pub(super) fn again(&mut self, id: RecordId) {
        let record = self.look(id);
        let is_first = record.queue.is_none_or(|of| self.queues[of as usize].first == Some(id));
        if is_first {
            self.line_up_again(id);
        } else {
            self.records[id.key()].state = State::Due;
        }
    }

    fn line_up_again(&mut self, id: RecordId) {
        let record = &mut self.records[id.key()];
        record.state = State::Started;
        let handler = record.handler;
        self.lines[handler].again.push_back(id);
        self.give_turn(handler);
    }

    /// A record is settled; gives back what was known of it.
    pub(super) fn finish(&mut self, id: RecordId, now: Instant) -> Option<T> {
        let record = self.records.try_remove(id.key())?;
        if let Some(queue) = record.queue {
            self.leave(queue, (record.before, record.after), now);
            self.ordered -= 1;
            while let Some((next, order)) = self.retained.front().copied()
                && self.fits(order)
            {
                self.retained.pop_front();
                self.join(next, order, now);
            }
        }
        Some(record.value)
    }

    fn leave(
        &mut self,
        number: u32,
        (before, after): (Option<RecordId>, Option<RecordId>),
        now: Instant,
    ) {
        let queue = &mut self.queues[number as usize];
        match after {
            Some(after) => self.records[after.key()].before = before,
            None => queue.last = before,
        }
        if let Some(before) = before {
            self.records[before.key()].after = after;
            return;
        }
        queue.first = after;
        match after {
            None if number == OF_PARTITION => {}
            None => {
                self.keys.remove(&self.queues.remove(number as usize).key);
            }
            // What was in its way is settled.
            Some(next) => match self.look(next).state {
                State::Waiting => self.line_up_first(number, now),
                State::Due => self.line_up_again(next),
                State::Started => {}
            },
        }
    }

    /// When, after `now`, a batch that waits to be filled is to be started all the same. One that was
    /// due before waits for something else.
    pub(super) fn next_flush(&self, now: Instant) -> Option<Instant> {
        let lines = self.lines.iter().filter(|line| line.has_room());
        let flushes = lines.filter_map(|line| Some(line.since? + line.limits.batch?.1));
        flushes.filter(|at| *at > now).min()
    }

    /// Whether something that could start waits for a call of its handler to end.
    pub(super) fn lacks_room(&self) -> bool {
        self.turns.iter().any(|handler| {
            let line = &self.lines[*handler];
            line.has_more() && !line.has_room()
        })
    }

    /// How many records are not settled.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether a record waits for its turn, and was never started.
    pub(super) fn is_waiting(&self, id: RecordId) -> bool {
        self.records.get(id.key()).is_some_and(|record| record.state == State::Waiting)
    }

    /// What is known of a record.
    pub(super) fn get(&self, id: RecordId) -> Option<&T> {
        self.records.get(id.key()).map(|record| &record.value)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, id: RecordId) -> Option<&mut T> {
        self.records.get_mut(id.key()).map(|record| &mut record.value)
    }

    /// The handler of a record.
    pub(super) fn handler_of(&self, id: RecordId) -> Option<HandlerIndex> {
        self.records.get(id.key()).map(|record| record.handler)
    }

    /// What is known of all records, with their handlers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (HandlerIndex, &T)> {
        self.records.iter().map(|(_, record)| (record.handler, &record.value))
    }
}

#[cfg(test)]
mod tests;
