//! The straight way of records that keep the order of the partition.
//!
//! As long as nothing is in flight, the next of them is handed to its handler at once, or together with those
//! that follow for the same handler when that takes batches. What is handled then is settled as a range: neither
//! the scheduler nor the tracker hears of single records. Whatever else happens, from a handler that waits to a
//! batch that is to wait for more, the records are taken in like all others, and the rules of those hold.

use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;

use super::Concurrent;
use super::admission::Looked;
use super::calls::Began;
use super::scheduler::{HandlerIndex, RecordOrder};
use crate::delivery::{NextBatch, NextRecord, Offset, Remembered};
use crate::event::NameAt;
use crate::handler::{BatchEnded, BatchResults, Ended};
use crate::outcome::Outcome;
use crate::processor::gate::Entry;

/// Records that follow each other for one handler and were only looked at.
#[derive(Default)]
pub(super) struct Run {
    handler: HandlerIndex,
    records: Vec<RunRecord>,
    /// All records from the first on, by their batches: also those between and behind that are settled already.
    parts: Vec<(usize, Range<usize>)>,
    /// The offset of the last of them.
    last: Option<Offset>,
    /// When the first was looked at.
    since: Option<Instant>,
}

#[derive(Clone, Copy)]
struct RunRecord {
    batch: usize,
    index: usize,
    name: NameAt,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Notes that a record was looked at.
    fn extend(&mut self, (batch, index): (usize, usize), offset: Offset) {
        self.last = Some(offset);
        match self.parts.last_mut() {
            Some((of, range)) if *of == batch => range.end = index + 1,
            _ => self.parts.push((batch, index..index + 1)),
        }
    }
}

/// How the first poll of a run has gone.
enum Polled {
    One(Began<Ended>),
    Several(Began<BatchEnded>),
}

impl Concurrent {
    /// Whether records may go straight: nothing that was delivered is in flight.
    pub(super) fn is_straight(&mut self) -> bool {
        if !self.may_go_straight || self.scheduler.len() > 0 {
            return false;
        }
        if self.remembers {
            self.remembers = self.progress.track(|tracker| tracker.remembers()) == Some(true);
        }
        !self.remembers
    }

    /// Has records of a batch go straight, from `first` on, as far as they do.
    pub(super) fn go_straight(&mut self, (batch, first): (usize, usize), left: &mut usize) {
        self.current = Some((batch, first));
        if self.is_run_due() && !self.call_run() {
            return;
        }
        for index in first.. {
            let Concurrent { settler, handlers, batches, .. } = &mut *self;
            let whole = batches.get(batch);
            let Some(record) = whole.and_then(|whole| whole.records.get(index)) else {
                self.current = None;
                if self.run.is_empty() {
                    self.taken_in(batch);
                }
                return;
            };
            if *left == 0 {
                return;
            }
            let offset = record.offset;
            let scanned = settler.find_scanned(record).and_then(|direct| {
                let number = handlers.number(&settler.engine, direct.route);
                Some((number, direct.name, handlers.get(number)?.straight_max()?))
            });
            *left -= 1;
            self.worked += 1;
            let goes_on = match scanned {
                Some(scanned) => self.add_to_run((batch, index), offset, scanned),
                None => self.pass_over((batch, index), offset),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Adds a record to the run, or begins one with it; whether the next may go straight too.
    fn add_to_run(
        &mut self,
        (batch, index): (usize, usize),
        offset: Offset,
        (number, name, max): (HandlerIndex, NameAt, usize),
    ) -> bool {
        // What is for another handler is what a batch waits for no longer.
        if !self.run.is_empty() && self.run.handler != number && !self.call_run() {
            return false;
        }
        self.current = Some((batch, index + 1));
        self.run.handler = number;
        self.run.since.get_or_insert(self.now);
        self.run.records.push(RunRecord { batch, index, name });
        self.run.extend((batch, index), offset);
        self.run.records.len() < max || self.call_run()
    }

    /// Looks at a record that does not go straight: one that nobody handles is settled, which the run goes on
    /// behind. What else it is takes its place, after the run.
    fn pass_over(&mut self, (batch, index): (usize, usize), offset: Offset) -> bool {
        let looked = self.look(batch, index, Remembered::No);
        let is_settled = matches!(looked, Looked::Settled);
        if !is_settled {
            self.deliver_run();
        }
        self.current = Some((batch, index + 1));
        if !is_settled {
            self.deliver_one((batch, index), looked);
            return false;
        }
        self.settled += 1;
        if self.run.is_empty() {
            self.progress.settle_range(offset.next());
        } else {
            self.run.extend((batch, index), offset);
        }
        true
    }

    /// Whether the first of the run has waited for others for as long as it may.
    fn is_run_due(&self) -> bool {
        let handler = self.handlers.get(self.run.handler);
        let wait = handler.and_then(|handler| handler.limits.batch).map(|(_, wait)| wait);
        let waits = wait.zip(self.run.since);
        waits.is_some_and(|(wait, since)| self.now.duration_since(since) >= wait)
    }

    /// Calls the handler of the run; whether what follows may go straight still.
    fn call_run(&mut self) -> bool {
        if self.settler.is_stop_requested() {
            return false;
        }
        let number = self.run.handler;
        let Some(handler) = self.handlers.get(number) else { return false };
        if self.settler.engine.handler(&handler.route).gate.entry() != Entry::Open {
            self.deliver_run();
            return false;
        }
        let Some(polled) = self.poll_run(number) else { return false };
        let work = match polled {
            Polled::One(Began { work, polled: Poll::Ready(ended), .. })
                if matches!(ended.result, Ok(Outcome::Handled)) && !ended.has_ignored =>
            {
                work
            }
            Polled::Several(Began { work, polled: Poll::Ready(ended), .. })
                if matches!(ended.results, BatchResults::Handled) && !ended.has_ignored =>
            {
                work
            }
            polled => {
                let leaves_next = self.leaves_next(number);
                self.deliver_run();
                self.go_on(number, polled);
                if leaves_next {
                    self.scheduler.leave_next(self.now);
                }
                return false;
            }
        };
        if let Some(handler) = self.handlers.get_mut(number) {
            handler.was_done();
            handler.keep(work);
        }
        self.settle_run(number);
        true
    }

    /// Whether the next record is for the same handler, so that the run is full.
    fn leaves_next(&self, number: HandlerIndex) -> bool {
        let next = || {
            let (batch, index) = self.current?;
            let record = self.batches.get(batch)?.records.get(index)?;
            let handler = self.handlers.get(number)?;
            Some(self.settler.find_scanned(record)?.route.index == handler.route.index)
        };
        next() == Some(true)
    }

    fn poll_run(&mut self, number: HandlerIndex) -> Option<Polled> {
        let handler = self.handlers.get(number)?;
        let (handler, attempts, takes_batches) =
            (handler.route.index, handler.attempts, handler.takes_batches());
        let next = |RunRecord { batch, index, name }: &RunRecord| {
            let batch = Arc::clone(self.batches.get(*batch)?);
            let (index, name) = (*index, Some(*name));
            Some(NextRecord { batch, index, handler, attempt: 1, attempts, origin: None, name })
        };
        let first = self.run.records.first()?;
        let offset = self.batches.get(first.batch)?.records.offset(first.index)?;
        if takes_batches {
            let next = NextBatch::of(self.run.records.iter().filter_map(next));
            return self.poll_batch(number, offset, next).map(Polled::Several);
        }
        let next = next(first)?;
        let began = self.poll_loop(number, offset, |work, route, context| {
            work.poll(route, context, Some(next))
        });
        began.map(Polled::One)
    }

    /// Goes on with a call whose records were taken in meanwhile.
    fn go_on(&mut self, number: HandlerIndex, polled: Polled) {
        match polled {
            Polled::One(began) => {
                if let Some(id) = self.scheduler.start_one(number) {
                    self.loop_polled(number, id, began, None);
                }
            }
            Polled::Several(began) => {
                let mut ids = Vec::new();
                self.scheduler.start_batch(number, self.now, &mut ids);
                self.batch_polled(number, ids, began, None);
            }
        }
    }

    /// All records of the run were handled.
    fn settle_run(&mut self, number: HandlerIndex) {
        let Concurrent { run, handlers, batches, settler, progress, settled, .. } = self;
        let Some(handler) = handlers.get(number) else { return };
        for RunRecord { batch, index, name } in run.records.drain(..) {
            if let Some(record) = batches.get(batch).and_then(|batch| batch.records.get(index)) {
                let event = name.text(record.value.unwrap_or_default()).unwrap_or_default();
                settler.handled_in(&handler.route, record, None, event);
                *settled += 1;
            }
        }
        if let Some(last) = run.last {
            progress.settle_range(last.next());
        }
        run.since = None;
        let parts = std::mem::take(&mut run.parts);
        self.run.parts = self.end_parts(parts);
    }

    /// Takes the records of the run in like all others.
    pub(super) fn deliver_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        let Run { handler, records, parts, since, .. } = std::mem::take(&mut self.run);
        let mut records = records.into_iter().peekable();
        let mut delivered = std::mem::take(&mut self.delivered);
        let since = since.unwrap_or(self.now);
        for (batch, range) in &parts {
            let batch = *batch;
            self.deliver((batch, range.start), range.len(), since, &mut delivered);
            for (index, (sequence, _)) in range.clone().zip(delivered.drain(..)) {
                let is_it = |it: &RunRecord| (it.batch, it.index) == (batch, index);
                match records.next_if(is_it) {
                    Some(RunRecord { name, .. }) => {
                        let name = Some(name);
                        let order = RecordOrder::Partition;
                        let looked = Looked::InFlight(handler, order, name, None);
                        // It stops nothing.
                        let _ = self.place((batch, index), sequence, looked, since);
                    }
                    None => self.progress.settle(sequence),
                }
            }
        }
        self.delivered = delivered;
        self.end_parts(parts);
    }

    /// Takes one record in that was looked at.
    fn deliver_one(&mut self, (batch, index): (usize, usize), looked: Looked) {
        let mut delivered = std::mem::take(&mut self.delivered);
        self.deliver((batch, index), 1, self.now, &mut delivered);
        if let Some((sequence, _)) = delivered.pop()
            && let Err(failure) = self.place((batch, index), sequence, looked, self.now)
        {
            self.failed = Err(failure);
        }
        delivered.clear();
        self.delivered = delivered;
    }

    /// The batches of a run that has ended are taken in, but for the one that goes on.
    fn end_parts(&mut self, mut parts: Vec<(usize, Range<usize>)>) -> Vec<(usize, Range<usize>)> {
        for (batch, _) in parts.drain(..) {
            if self.current.is_none_or(|(current, _)| current != batch) {
                self.taken_in(batch);
            }
        }
        parts
    }
}
