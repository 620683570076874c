//! What a lane starts in a turn.

use std::cmp::Reverse;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::handlers::NO_HANDLER;
use super::scheduler::{HandlerIndex, RecordId};
use super::work::{CallRecord, Work, call, looped, poll_once, refuse, sent};
use super::{Concurrent, FILLS_SOON, RECORDS_A_TURN};
use crate::delivery::{NextRecord, Offset};
use crate::handler::Ended;
use crate::outcome::Outcome;
use crate::processor::attempt::TimeLimit;
use crate::processor::concurrency::Permits;
use crate::processor::gate::Entry;
use crate::processor::loops::LoopSlot;
use crate::router::Route;

/// An attempt that was polled once.
pub(super) struct Began<E> {
    pub(super) work: LoopSlot,
    pub(super) polled: Poll<E>,
    pub(super) limit: TimeLimit,
    pub(super) offset: Offset,
}

impl Concurrent {
    /// Starts what may be started now; whether there may be more.
    pub(super) fn start(&mut self) -> bool {
        let now = self.now;
        // At every turn: while calls end all the time, no timer is polled.
        self.wake(now);
        self.opens = None;
        self.lacks_budget = false;
        let mut left = RECORDS_A_TURN;
        while left > 0 && self.failed.is_ok() && !self.lacks_budget {
            let Some(handler) = self.next_handler(now) else { break };
            self.start_handler(handler, now, &mut left);
            if self.settler.is_stop_requested() {
                break;
            }
        }
        self.worked += RECORDS_A_TURN - left;
        // A place that nobody takes, or nobody waits for one: whatever rests now waits for else.
        let has_place = std::mem::take(&mut self.has_place);
        let lacks_room = || !self.permits.is_empty() || self.scheduler.lacks_room();
        // A batch that waits to be filled is no matter of long.
        let fills = || self.scheduler.next_flush(now).is_some_and(|at| at < now + FILLS_SOON);
        let starts = left < RECORDS_A_TURN;
        if !starts && !self.resting.is_empty() && (has_place || !lacks_room()) && !fills() {
            self.let_resting_go();
        }
        left == 0 || self.lacks_budget || starts && !self.resting.is_empty()
    }

    /// Lines up the records whose delay is over.
    fn wake(&mut self, now: Instant) {
        while let Some(Reverse((at, _, id))) = self.delayed.peek().copied()
            && at <= now
        {
            self.delayed.pop();
            self.scheduler.again(id);
        }
    }

    /// The next handler that can start something, and is not shut.
    fn next_handler(&mut self, now: Instant) -> Option<HandlerIndex> {
        let Concurrent { scheduler, handlers, permits, settler, opens, .. } = self;
        scheduler.next_handler(now, |number| {
            let Some(handler) = handlers.get(number) else { return true };
            !permits.has(number)
                && is_open(settler.engine.handler(&handler.route).gate.look(), opens)
        })
    }

    /// Starts calls of one handler.
    fn start_handler(&mut self, number: HandlerIndex, now: Instant, left: &mut usize) {
        let mut permits = None;
        while *left > 0
            && self.failed.is_ok()
            && !self.lacks_budget
            && !self.settler.is_stop_requested()
            && self.scheduler.can_start(number, now)
        {
            if number == NO_HANDLER {
                self.refuse_one();
                *left -= 1;
                continue;
            }
            let Some(handler) = self.handlers.get(number) else { return };
            let engine = &self.settler.engine;
            let taken = permits.take();
            let Some(taken) = taken.or_else(|| self.permits.take(engine, number, &handler.route))
            else {
                return;
            };
            // Asked when it is about to begin, with a place to do so.
            if !is_open(engine.handler(&handler.route).gate.entry(), &mut self.opens) {
                return;
            }
            let before = *left;
            permits = match (handler.is_direct, handler.takes_batches()) {
                (_, true) => self.start_batch(number, taken, now, left),
                (true, false) => self.start_loop(number, taken),
                (false, false) => self.start_call(number, taken),
            };
            *left = (*left).min(before - 1);
        }
    }

    pub(super) fn call_record(&mut self, id: RecordId) -> Option<CallRecord> {
        let record = self.scheduler.get_mut(id)?;
        Some(CallRecord {
            id,
            batch: Arc::clone(self.batches.get(record.batch)?),
            index: record.index,
            name: record.name,
            job: record.job.take(),
        })
    }

    fn refuse_one(&mut self) {
        if let Some(id) = self.scheduler.start_one(NO_HANDLER)
            && let Some(call_record) = self.call_record(id)
        {
            let work = Box::pin(refuse(Arc::clone(&self.settler), call_record));
            self.begin(&[id], work);
        }
    }

    /// Hands the next record to the loop of its handler; gives the permits back when that is done.
    fn start_loop(&mut self, number: HandlerIndex, permits: Permits) -> Option<Permits> {
        let id = self.scheduler.start_one(number)?;
        let (next, offset) = self.next_record(number, id)?;
        let handler = self.handlers.get_mut(number)?;
        if handler.is_spawned() {
            let (limit, work) = (handler.limit(), handler.loops.pop().unwrap_or_default());
            let (settler, route) = (Arc::clone(&self.settler), Arc::clone(&handler.route));
            self.note_running(id);
            let more = (limit, Some(permits));
            self.tasks.spawn(looped(settler, route, (id, offset), work, Some(next), more));
            return None;
        }
        let began = self.poll_loop(number, offset, |work, route, context| {
            work.poll(route, context, Some(next))
        })?;
        self.loop_polled(number, id, began, Some(permits))
    }

    /// Goes on after the first poll of an attempt; gives the permits back when it has ended.
    pub(super) fn loop_polled(
        &mut self,
        number: HandlerIndex,
        id: RecordId,
        Began { work, polled, limit, offset }: Began<Ended>,
        permits: Option<Permits>,
    ) -> Option<Permits> {
        let handler = self.handlers.get_mut(number)?;
        let settler = &self.settler;
        match polled {
            Poll::Pending => {
                let (settler, route) = (Arc::clone(settler), Arc::clone(&handler.route));
                self.note_pending(number);
                self.note_running(id);
                let more = (limit, permits);
                self.tasks.spawn(looped(settler, route, (id, offset), work, None, more));
                None
            }
            Poll::Ready(ended) if matches!(ended.result, Ok(Outcome::Emits(_))) => {
                let (settler, route) = (Arc::clone(settler), Arc::clone(&handler.route));
                let sent = sent(settler, route, id, (offset, work), ended, (limit, permits));
                self.begin(&[id], Box::pin(sent));
                None
            }
            Poll::Ready(ended) => {
                handler.was_done();
                handler.keep(work);
                self.loop_ended(number, id, ended);
                permits
            }
        }
    }

    /// Polls a loop of a handler for the first time in an attempt, which begins at the record at `offset`. A task
    /// that goes on with it polls it again.
    pub(super) fn poll_loop<E>(
        &mut self,
        number: HandlerIndex,
        offset: Offset,
        poll: impl FnOnce(&mut LoopSlot, &Route, &mut Context<'_>) -> Poll<E>,
    ) -> Option<Began<E>> {
        let handler = self.handlers.get_mut(number)?;
        let (mut work, limit) = (handler.loops.pop().unwrap_or_default(), handler.limit());
        let began = handler.is_timed().then(Instant::now);
        self.ending.note_in_flight(true);
        let (slot, route) = (&self.slot, &handler.route);
        self.settler.engine.watch.begin(slot, route.index, offset);
        slot.count_poll();
        let polled = poll(&mut work, route, &mut Context::from_waker(Waker::noop()));
        slot.count_poll();
        slot.end();
        if let Some(began) = began {
            handler.took(began.elapsed());
        }
        Some(Began { work, polled, limit, offset })
    }

    /// A record as the loop of its handler gets it, and where it lies.
    pub(super) fn next_record(
        &self,
        number: HandlerIndex,
        id: RecordId,
    ) -> Option<(NextRecord, Offset)> {
        let record = self.scheduler.get(id)?;
        let handler = self.handlers.get(number)?;
        let batch = self.batches.get(record.batch)?;
        let offset = batch.records.offset(record.index)?;
        let mut next = NextRecord {
            batch: Arc::clone(batch),
            index: record.index,
            handler: handler.route.index,
            attempt: 1,
            attempts: handler.attempts,
            origin: None,
            name: record.name,
        };
        if let Some(job) = &record.job {
            next.attempt = job.attempt_state.number();
            next.attempts = self.settler.last_attempt(job);
            if job.has_returned {
                next.origin = Some(Arc::new(job.origin.clone()));
                return Some((next, job.origin.offset));
            }
        }
        Some((next, offset))
    }

    /// Calls a handler that has layers with the next record; gives the permits back when there is none.
    fn start_call(&mut self, number: HandlerIndex, permits: Permits) -> Option<Permits> {
        match self.scheduler.start_one(number) {
            Some(id) => self.call(number, id, permits),
            None => Some(permits),
        }
    }

    /// Calls a handler that has layers with a record.
    pub(super) fn call(
        &mut self,
        number: HandlerIndex,
        id: RecordId,
        permits: Permits,
    ) -> Option<Permits> {
        let record = self.call_record(id)?;
        let handler = self.handlers.get(number)?;
        let (route, is_spawned) = (Arc::clone(&handler.route), handler.is_spawned());
        let call = call(Arc::clone(&self.settler), (number, route), record, permits);
        if is_spawned {
            self.note_running(id);
            self.tasks.spawn(call);
        } else if !self.begin(&[id], Box::pin(call)) {
            self.note_pending(number);
        }
        None
    }

    /// Takes note of a call that was polled here and was not done. It waits, unless it or the calls before it
    /// did all that tokio lets a task do before others have the thread: then the turn ends.
    pub(super) fn note_pending(&mut self, number: HandlerIndex) {
        self.lacks_budget = !has_budget_remaining();
        if !self.lacks_budget
            && let Some(handler) = self.handlers.get_mut(number)
        {
            handler.was_waiting();
        }
    }

    /// Polls work on records once, and has it go on as a task when that is not enough; whether it was.
    pub(super) fn begin(&mut self, ids: &[RecordId], mut work: Work) -> bool {
        self.ending.note_in_flight(true);
        match poll_once(&mut work) {
            Poll::Ready(done) => {
                drop(work);
                self.done(done);
                true
            }
            Poll::Pending => {
                ids.iter().for_each(|id| self.note_running(*id));
                self.tasks.spawn(work);
                false
            }
        }
    }
}

/// Whether a handler may be called; notes when to ask again.
fn is_open(entry: Entry, opens: &mut Option<Instant>) -> bool {
    match entry {
        Entry::Open => true,
        Entry::NotBefore(at) => {
            *opens = Some(opens.map_or(at, |earlier| earlier.min(at)));
            false
        }
        Entry::Shut => false,
    }
}
