//! Which records of a partition may be worked on now.
//!
//! Two records are handled one after the other unless one of them has no order, or both have a key
//! and the keys differ. So the ordered ones come in phases: either records by key, side by side, or
//! records by partition of one handler; what does not fit into the present phase is held until it is
//! over, with everything ordered behind it. Nothing here waits or locks: a lane asks what to start
//! and says what has ended.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::tracker::Sequence;

/// What a record must wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Everything ordered before it.
    Partition,
    /// What is before it with the same key, by the key's hash; two keys with one hash are one.
    Key(u64),
    /// Nothing.
    Free,
}

/// A handler, by the index of its route.
pub(super) type HandlerIndex = usize;

/// How much a handler takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// How many calls of it run at once at most.
    pub(super) concurrency: u32,
    /// How many records a call takes at most, and how long the first waits for more.
    pub(super) batch: Option<(usize, Duration)>,
}

/// Records to be handed to a handler in one call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) handler: HandlerIndex,
    pub(super) records: Vec<Sequence>,
}

/// The records of a partition that are not settled.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    jobs: FxHashMap<Sequence, Job>,
    queues: FxHashMap<HandlerIndex, Queue>,
    /// The handlers that have something to start, in turn.
    turns: VecDeque<HandlerIndex>,
    /// Of each key its records in order; the first is being worked on or may be. One that is settled
    /// before the first, as those of a batch may be, stays until it would be the first.
    chains: FxHashMap<u64, VecDeque<Sequence>>,
    /// Ordered records that wait for the end of the present phase.
    held: VecDeque<Sequence>,
    /// How many ordered records the present phase has.
    ordered: usize,
    /// The handler whose records by partition are the present phase.
    exclusive: Option<HandlerIndex>,
    /// Those of them that were started and are not settled.
    exclusive_started: BTreeSet<Sequence>,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    handler: HandlerIndex,
    place: Place,
    started: bool,
    /// Its delay is over, but one that was started before it is in its way.
    is_due: bool,
}

#[derive(Debug)]
struct Queue {
    rule: Rule,
    running: u32,
    /// Records that are to be tried again now, before all others.
    again: VecDeque<Sequence>,
    ready: VecDeque<Sequence>,
    /// Since when the first of them waits for a batch to fill.
    since: Option<Instant>,
    has_turn: bool,
}

impl Agenda {
    /// Takes a record in, after all that were taken in before.
    pub(super) fn admit(
        &mut self,
        sequence: Sequence,
        (handler, rule): (HandlerIndex, Rule),
        place: Place,
        now: Instant,
    ) {
        self.jobs.insert(sequence, Job { handler, place, started: false, is_due: false });
        self.queues.entry(handler).or_insert_with(|| Queue::new(rule));
        if place == Place::Free {
            self.make_ready(sequence, now);
        } else if self.held.is_empty() && self.fits(handler, place) {
            self.join(sequence, now);
        } else {
            self.held.push_back(sequence);
        }
    }

    /// Whether an ordered record belongs to the present phase.
    fn fits(&self, handler: HandlerIndex, place: Place) -> bool {
        match (place, self.exclusive) {
            (Place::Key(_), exclusive) => exclusive.is_none(),
            // The batch that they make is not under way yet.
            (_, Some(exclusive)) => {
                exclusive == handler
                    && self.exclusive_started.is_empty()
                    && self.queues.get(&handler).is_some_and(|queue| queue.rule.batch.is_some())
            }
            (_, None) => self.ordered == 0,
        }
    }

    fn join(&mut self, sequence: Sequence, now: Instant) {
        let Some(&Job { handler, place, .. }) = look(&self.jobs, sequence) else { return };
        self.ordered += 1;
        if let Place::Key(key) = place {
            let chain = self.chains.entry(key).or_default();
            chain.push_back(sequence);
            if chain.len() > 1 {
                return;
            }
        } else {
            self.exclusive = Some(handler);
        }
        self.make_ready(sequence, now);
    }

    fn make_ready(&mut self, sequence: Sequence, now: Instant) {
        let Some(job) = look(&self.jobs, sequence) else { return };
        let Some(queue) = self.queues.get_mut(&job.handler) else { return };
        queue.ready.push_back(sequence);
        queue.since.get_or_insert(now);
        self.give_turn(job.handler);
    }

    fn give_turn(&mut self, handler: HandlerIndex) {
        if let Some(queue) = self.queues.get_mut(&handler)
            && !std::mem::replace(&mut queue.has_turn, true)
        {
            self.turns.push_back(handler);
        }
    }

    /// The next call to be made, of a handler that `is_open`. Its records are being worked on from
    /// now on.
    pub(super) fn start(
        &mut self,
        now: Instant,
        is_open: impl Fn(HandlerIndex) -> bool,
    ) -> Option<Call> {
        for _ in 0..self.turns.len() {
            let handler = self.turns.pop_front()?;
            let records = match self.can_take(handler, now) && is_open(handler) {
                true => self.take(handler, now),
                false => Vec::new(),
            };
            let Some(queue) = self.queues.get_mut(&handler) else { continue };
            queue.has_turn = !queue.ready.is_empty() || !queue.again.is_empty();
            if queue.has_turn {
                self.turns.push_back(handler);
            }
            if !records.is_empty() {
                return Some(Call { handler, records });
            }
        }
        None
    }

    /// Whether nothing that was started before it is in its way: records of one batch that failed
    /// are tried again in their order.
    fn is_first(&self, sequence: Sequence, place: Place) -> bool {
        match place {
            Place::Partition => self.exclusive_started.first() == Some(&sequence),
            Place::Key(key) => self.chains.get(&key).and_then(VecDeque::front) == Some(&sequence),
            Place::Free => true,
        }
    }

    /// Whether a call of a handler could be made.
    fn can_take(&self, handler: HandlerIndex, now: Instant) -> bool {
        let Some(queue) = self.queues.get(&handler) else { return false };
        if !queue.has_room() || !queue.again.is_empty() {
            return queue.has_room();
        }
        let is_exclusive = self.exclusive == Some(handler)
            && queue.ready.front().is_some_and(|first| is_by_partition(&self.jobs, *first));
        let cannot_grow = is_exclusive && !self.held.is_empty();
        let is_free = !is_exclusive || self.exclusive_started.is_empty();
        is_free && (cannot_grow || queue.is_due(now))
    }

    fn take(&mut self, handler: HandlerIndex, now: Instant) -> Vec<Sequence> {
        let Some(queue) = self.queues.get_mut(&handler) else { return Vec::new() };
        if let Some(sequence) = queue.again.pop_front() {
            queue.running += 1;
            return vec![sequence];
        }
        let max = queue.rule.batch.map_or(1, |(max, _)| max);
        let mut records = Vec::new();
        while records.len() < max
            && let Some(sequence) = queue.ready.pop_front()
        {
            records.push(sequence);
            let Some(job) = self.jobs.get_mut(&sequence) else { continue };
            job.started = true;
            match job.place {
                Place::Partition => {
                    self.exclusive_started.insert(sequence);
                }
                // What follows with the same key goes along, in its order.
                Place::Key(key) => {
                    let chain = self.chains.get(&key).into_iter().flatten().skip(1);
                    for follower in chain {
                        let Some(next) = self.jobs.get_mut(follower) else { break };
                        if records.len() >= max || next.handler != handler || next.started {
                            break;
                        }
                        next.started = true;
                        records.push(*follower);
                    }
                }
                Place::Free => {}
            }
        }
        queue.running += 1;
        queue.since = (!queue.ready.is_empty()).then_some(now);
        records
    }

    /// A call has returned. Each of its records is then [`finish`](Agenda::finish)ed or handed back
    /// by [`again`](Agenda::again) when its delay is over.
    pub(super) fn returned(&mut self, handler: HandlerIndex) {
        if let Some(queue) = self.queues.get_mut(&handler) {
            queue.running = queue.running.saturating_sub(1);
        }
    }

    /// A record that was started is to be tried again now. It kept its place.
    pub(super) fn again(&mut self, sequence: Sequence) {
        let Some(&Job { place, .. }) = look(&self.jobs, sequence) else { return };
        let is_first = self.is_first(sequence, place);
        let Some(job) = self.jobs.get_mut(&sequence) else { return };
        job.is_due = !is_first;
        if is_first {
            self.line_up(sequence);
        }
    }

    /// Nothing is in the way of a record that is to be tried again.
    fn line_up(&mut self, sequence: Sequence) {
        let Some(&Job { handler, .. }) = look(&self.jobs, sequence) else { return };
        let Some(queue) = self.queues.get_mut(&handler) else { return };
        queue.again.push_back(sequence);
        self.give_turn(handler);
    }

    /// What was in the way of a record is settled.
    fn advance(&mut self, sequence: Sequence, now: Instant) {
        let Some(job) = self.jobs.get_mut(&sequence) else { return };
        if std::mem::replace(&mut job.is_due, false) {
            self.line_up(sequence);
        } else if !job.started {
            self.make_ready(sequence, now);
        }
    }

    /// A record is settled.
    pub(super) fn finish(&mut self, sequence: Sequence, now: Instant) {
        let Some(job) = self.jobs.remove(&sequence) else { return };
        match job.place {
            Place::Free => return,
            Place::Partition => {
                self.exclusive_started.remove(&sequence);
                if let Some(next) = self.exclusive_started.first().copied() {
                    self.advance(next, now);
                }
            }
            Place::Key(key) => self.leave_chain(key, sequence, now),
        }
        self.ordered = self.ordered.saturating_sub(1);
        if self.ordered == 0 {
            self.exclusive = None;
        }
        while let Some(next) = self.held.front().copied()
            && let Some(job) = look(&self.jobs, next)
            && self.fits(job.handler, job.place)
        {
            self.held.pop_front();
            self.join(next, now);
        }
    }

    fn leave_chain(&mut self, key: u64, sequence: Sequence, now: Instant) {
        let Some(chain) = self.chains.get_mut(&key) else { return };
        if chain.front() != Some(&sequence) {
            return;
        }
        while chain.pop_front_if(|first| look(&self.jobs, *first).is_none()).is_some() {}
        match chain.front().copied() {
            None => drop(self.chains.remove(&key)),
            Some(next) => self.advance(next, now),
        }
    }

    /// When, after `now`, a batch that waits to be filled is to be started all the same. One that was
    /// due before waits for something else.
    pub(super) fn next_flush(&self, now: Instant) -> Option<Instant> {
        let queues = self.queues.values().filter(|queue| queue.has_room());
        let flushes = queues.filter_map(|queue| Some(queue.since? + queue.rule.batch?.1));
        flushes.filter(|at| *at > now).min()
    }

    /// Whether something that could start waits for a call of its handler to end.
    pub(super) fn lacks_room(&self) -> bool {
        let mut queues = self.turns.iter().filter_map(|handler| self.queues.get(handler));
        queues.any(|queue| !queue.has_room())
    }

    /// How many records are not settled.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether a record waits for its turn, and was never started.
    pub(super) fn is_waiting(&self, sequence: Sequence) -> bool {
        look(&self.jobs, sequence).is_some_and(|job| !job.started)
    }
}

fn look(jobs: &FxHashMap<Sequence, Job>, sequence: Sequence) -> Option<&Job> {
    #[cfg(test)]
    tests::LOOKS.set(tests::LOOKS.get() + 1);
    jobs.get(&sequence)
}

fn is_by_partition(jobs: &FxHashMap<Sequence, Job>, sequence: Sequence) -> bool {
    look(jobs, sequence).is_some_and(|job| job.place == Place::Partition)
}

impl Queue {
    fn new(rule: Rule) -> Self {
        Queue {
            rule,
            running: 0,
            again: VecDeque::new(),
            ready: VecDeque::new(),
            since: None,
            has_turn: false,
        }
    }

    fn has_room(&self) -> bool {
        self.running < self.rule.concurrency
    }

    fn is_due(&self, now: Instant) -> bool {
        match (self.rule.batch, self.since) {
            (None, _) => !self.ready.is_empty(),
            (Some((max, wait)), Some(since)) => {
                self.ready.len() >= max || now.duration_since(since) >= wait
            }
            (Some(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests;
