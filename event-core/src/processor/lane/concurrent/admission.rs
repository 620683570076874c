//! How a lane takes records in.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;
use tokio::time::Instant;

use super::handlers::NO_HANDLER;
use super::record::InFlight;
use super::scheduler::{HandlerIndex, RecordOrder};
use super::{Concurrent, MAX_OPEN, RECORDS_A_TURN};
use crate::delivery::{RecordRef, Remembered};
use crate::event::NameAt;
use crate::handler::Order;
use crate::observe::SkipReason;
use crate::processor::lane::{Incoming, LaneFailure};
use crate::processor::settle::{Found, Job, Read};
use crate::processor::tracker::Sequence;

/// What a record is once it was looked at.
pub(super) enum Looked {
    /// It is settled by that.
    Settled,
    InFlight(HandlerIndex, RecordOrder, Option<NameAt>, Option<Box<Job>>),
    Stop(LaneFailure),
}

impl Concurrent {
    /// Takes records in as far as there is room and they are due; whether there are more.
    pub(super) fn take_in(&mut self) -> bool {
        self.not_before = None;
        let mut left = RECORDS_A_TURN;
        let now = self.now;
        while left > 0 {
            if self.failed.is_err() || self.settler.is_stop_requested() {
                return false;
            }
            let Some((batch, first)) = self.current.take() else {
                match self.backlog.pop_front() {
                    Some(Incoming::Records(records)) => {
                        self.current = Some((self.batches.begin(self.settler.open(records)), 0));
                        continue;
                    }
                    Some(Incoming::Passed(next)) => {
                        self.deliver_run();
                        self.progress.passed(next);
                        continue;
                    }
                    // The run may go on with what comes next.
                    None => return !self.run.is_empty(),
                }
            };
            if self.is_straight() {
                self.go_straight((batch, first), &mut left);
                continue;
            }
            if self.is_full() {
                self.current = Some((batch, first));
                return false;
            }
            let mut delivered = std::mem::take(&mut self.delivered);
            self.deliver((batch, first), left, now, &mut delivered);
            let count = delivered.len();
            if count == 0 && self.not_before.is_none() {
                self.taken_in(batch);
                continue;
            }
            self.current = Some((batch, first + count));
            left -= count;
            self.worked += count;
            for (index, (sequence, remembered)) in (first..).zip(delivered.drain(..)) {
                if let Err(failure) = self.admit((batch, index), sequence, remembered, now) {
                    self.failed = Err(failure);
                    return false;
                }
            }
            self.delivered = delivered;
            if self.not_before.is_some() {
                return false;
            }
        }
        true
    }

    fn is_full(&self) -> bool {
        self.scheduler.len() >= MAX_OPEN
            || self.progress.track(|tracker| tracker.is_full()) == Some(true)
    }

    /// Has the tracker number the next records of a batch, `at_most` so many; none when the first is not
    /// due yet.
    pub(super) fn deliver(
        &mut self,
        (batch, first): (usize, usize),
        at_most: usize,
        now: Instant,
        delivered: &mut Vec<(Sequence, Remembered)>,
    ) {
        let Some(batch) = self.batches.get(batch) else { return };
        let mut count = at_most;
        if self.settler.has_due_times()
            && let Some(record) = batch.records.get(first)
        {
            count = 1;
            if let Some((wait, at_most)) = self.settler.wait_of(record) {
                let looked_at = match self.looked_at {
                    Some((offset, at)) if offset == record.offset => at,
                    _ => now,
                };
                self.looked_at = Some((record.offset, looked_at));
                let until = (looked_at + at_most).min(now + wait.min(at_most));
                if until > now {
                    self.not_before = Some(until);
                    return;
                }
            }
        }
        let records = (first..).map_while(|index| batch.records.get(index)).take(count);
        self.progress.track(|tracker| {
            delivered.extend(records.map(|record| {
                let stamp = record.stamp();
                let remembered = tracker.lookup(stamp);
                (tracker.deliver(stamp), remembered)
            }));
        });
    }

    /// Takes one record in.
    fn admit(
        &mut self,
        (batch, index): (usize, usize),
        sequence: Sequence,
        remembered: Remembered,
        now: Instant,
    ) -> Result<(), LaneFailure> {
        let looked = self.look(batch, index, remembered);
        if matches!(looked, Looked::Settled) {
            self.settled += 1;
        }
        self.place((batch, index), sequence, looked, now)
    }

    /// Gives a record that was looked at its place.
    pub(super) fn place(
        &mut self,
        (batch, index): (usize, usize),
        sequence: Sequence,
        looked: Looked,
        now: Instant,
    ) -> Result<(), LaneFailure> {
        match looked {
            Looked::Settled => self.progress.settle(sequence),
            Looked::InFlight(handler, order, name, job) => {
                let record = InFlight { sequence, batch, index, name, is_running: false, job };
                let limits = self.handlers.limits(handler);
                let id = self.scheduler.admit(record, (handler, limits), order, now);
                self.batches.admitted(batch, id);
            }
            Looked::Stop(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Finds out what is to be done with a record.
    pub(super) fn look(&mut self, batch: usize, index: usize, remembered: Remembered) -> Looked {
        let Concurrent { settler, handlers, batches, .. } = self;
        let Some(record) = batches.get(batch).and_then(|batch| batch.records.get(index)) else {
            return Looked::Settled;
        };
        let offset = record.offset;
        match remembered {
            Remembered::Settled => {
                settler.skip(offset, &settler.partition, SkipReason::SettledBefore);
                return Looked::Settled;
            }
            Remembered::OfAnotherLog => settler.log_changed(offset),
            Remembered::No => {}
        }
        let job = match settler.find(record) {
            Found::Scanned(direct) => {
                let number = handlers.number(&settler.engine, direct.route);
                let order = order_of(direct.route.handler.options.order, record);
                return Looked::InFlight(number, order, Some(direct.name), None);
            }
            Found::Read(Read::Handle(job)) => job,
            Found::Read(Read::Skip) => return Looked::Settled,
            Found::Read(Read::Stop(name)) => {
                return Looked::Stop(LaneFailure::UnknownEvent(offset, name));
            }
            Found::Read(Read::Refuse { .. }) => {
                return Looked::InFlight(NO_HANDLER, RecordOrder::None, None, None);
            }
        };
        let number = handlers.number(&settler.engine, &job.route);
        let order = match job.has_returned {
            // It has left its order.
            true => RecordOrder::None,
            false => order_of(job.route.handler.options.order, record),
        };
        let job = job.has_returned.then(|| Box::new(job));
        Looked::InFlight(number, order, None, job)
    }
}

/// What a record has to wait for.
fn order_of(order: Order, record: RecordRef<'_>) -> RecordOrder {
    match (order, record.key) {
        (Order::Partition, _) => RecordOrder::Partition,
        (Order::Key, Some(key)) => {
            let mut hasher = FxHasher::default();
            key.hash(&mut hasher);
            RecordOrder::Key(hasher.finish())
        }
        (Order::Key, None) | (Order::None, _) => RecordOrder::None,
    }
}
