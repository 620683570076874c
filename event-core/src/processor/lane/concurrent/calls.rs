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
use crate::outcome::Outcome;
use crate::processor::concurrency::Permits;
use crate::processor::gate::Entry;

impl Concurrent {
    /// Starts what may be started now; whether there may be more.
    pub(super) fn start(&mut self) -> bool {
        let now = self.now;
        // At every turn: while calls end all the time, no timer is heard.
        self.wake(now);
        self.opens = None;
        self.lacks_budget = false;
        let mut left = RECORDS_A_TURN;
        while left > 0 && self.failed.is_ok() && !self.lacks_budget {
            let Some(handler) = self.next_handler(now) else { break };
            self.start_handler(handler, now, &mut left);
            if self.settler.is_told_to_stop() {
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
            && !self.settler.is_told_to_stop()
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
            permits = match handler.is_direct {
                true => self.start_loop(number, taken),
                false => self.start_call(number, taken, now, left),
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
        let mut work = handler.loops.pop().unwrap_or_default();
        let (settler, route) = (Arc::clone(&self.settler), Arc::clone(&handler.route));
        let limit = handler.timeout.map(|limit| (limit, Instant::now() + limit));
        if handler.is_spawned() {
            self.note_running(id);
            let more = (limit, permits);
            self.tasks.spawn(looped(settler, route, (id, offset), work, Some(next), more));
            return None;
        }
        let began = handler.is_timed().then(Instant::now);
        self.ending.note_in_hand(true);
        settler.engine.watch.begin(&self.slot, route.index, offset);
        self.slot.count_poll();
        // A task that goes on with it polls it again.
        let polled = work.poll(&route, &mut Context::from_waker(Waker::noop()), Some(next));
        self.slot.count_poll();
        self.slot.end();
        if let Some(began) = began {
            handler.took(began.elapsed());
        }
        match polled {
            Poll::Pending => {
                self.note_pending(number);
                self.note_running(id);
                self.tasks.spawn(looped(
                    settler,
                    route,
                    (id, offset),
                    work,
                    None,
                    (limit, permits),
                ));
                None
            }
            Poll::Ready(ended) if matches!(ended.result, Ok(Outcome::Emits(_))) => {
                let sent = sent(settler, route, id, (offset, work), ended, (limit, permits));
                self.begin(&[id], Box::pin(sent));
                None
            }
            Poll::Ready(ended) => {
                handler.was_done();
                handler.keep(work);
                self.loop_ended(number, id, ended);
                Some(permits)
            }
        }
    }

    /// A record as the loop of its handler gets it, and where it lies.
    fn next_record(&self, number: HandlerIndex, id: RecordId) -> Option<(NextRecord, Offset)> {
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
            next.attempt = job.trial.number();
            next.attempts = self.settler.last_attempt(job);
            if job.has_returned {
                next.origin = Some(Arc::new(job.origin.clone()));
                return Some((next, job.origin.offset));
            }
        }
        Some((next, offset))
    }

    /// Calls a handler with the next record, or with the next of several; gives the permits back when there
    /// is none.
    fn start_call(
        &mut self,
        number: HandlerIndex,
        permits: Permits,
        now: Instant,
        left: &mut usize,
    ) -> Option<Permits> {
        let handler = self.handlers.get_mut(number)?;
        let (route, is_spawned) = (Arc::clone(&handler.route), handler.is_spawned());
        let mut ids = std::mem::take(&mut self.next_call);
        match handler.takes_batches() {
            true => self.scheduler.start_batch(number, now, &mut ids),
            false => {
                ids.clear();
                ids.extend(self.scheduler.start_one(number));
            }
        }
        *left = left.saturating_sub(ids.len());
        let records = ids.iter().filter_map(|id| self.call_record(*id)).collect();
        let call = call(Arc::clone(&self.settler), (number, route), records, permits);
        if is_spawned {
            ids.iter().for_each(|id| self.note_running(*id));
            self.tasks.spawn(call);
        } else if !self.begin(&ids, Box::pin(call)) {
            self.note_pending(number);
        }
        self.next_call = ids;
        None
    }

    /// Takes note of a call that was polled here and was not done. It waits, unless it or the calls before it
    /// did all that tokio lets a task do before others have the thread: then the turn ends.
    fn note_pending(&mut self, number: HandlerIndex) {
        self.lacks_budget = !has_budget_remaining();
        if !self.lacks_budget
            && let Some(handler) = self.handlers.get_mut(number)
        {
            handler.was_waiting();
        }
    }

    /// Polls work on records once, and has it go on as a task when that is not enough; whether it was.
    pub(super) fn begin(&mut self, ids: &[RecordId], mut work: Work) -> bool {
        self.ending.note_in_hand(true);
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
