//! How a lane writes down what has ended.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::Concurrent;
use super::scheduler::{HandlerIndex, RecordId};
use super::work::{Done, apply};
use crate::handler::Ended;
use crate::outcome::Outcome;
use crate::processor::attempt::without_events;
use crate::processor::lane::{LaneFailure, ended};
use crate::processor::settle::{Attempted, Job, Settled};

impl Concurrent {
    /// Writes down what tasks have done meanwhile.
    pub(super) fn take_results(&mut self) {
        while let Some(done) = self.tasks.try_join_next() {
            self.result(done);
        }
    }

    /// Writes down what a task has done.
    pub(super) fn result(&mut self, done: Result<Done, JoinError>) {
        self.now = Instant::now();
        match done {
            Ok(done) => self.done(done),
            Err(_) => self.fail(LaneFailure::Panicked),
        }
    }

    /// Writes down what a task has done when nothing is begun any more; whether a record is left by that.
    pub(super) fn last_result(&mut self, done: Result<Done, JoinError>) -> bool {
        match done {
            Ok(Done::Looped { id, ended, .. }) => {
                let is_handled = matches!(ended.result, Ok(Outcome::Handled | Outcome::Skipped));
                if is_handled {
                    let number = self.scheduler.handler_of(id).unwrap_or_default();
                    self.loop_ended(number, id, ended);
                }
                !is_handled
            }
            Ok(Done::BatchLooped { handler, ids, ended, .. }) => {
                let mut leaves = false;
                for (id, result) in ids.iter().zip(ended.results.each(ids.len())) {
                    let outcome = without_events(result);
                    if matches!(outcome, Outcome::Handled) {
                        self.record_ended(handler, *id, outcome, ended.has_ignored);
                    } else {
                        leaves |= self.failure_of_all(handler, &outcome, ids.len()).is_none();
                    }
                }
                leaves
            }
            Ok(Done::Called { failed: Some(_), .. }) => true,
            Ok(done) => {
                self.done(done);
                false
            }
            Err(_) => true,
        }
    }

    fn fail(&mut self, failure: LaneFailure) {
        if self.failed.is_ok() {
            self.failed = Err(failure);
        }
    }

    pub(super) fn done(&mut self, done: Done) {
        match done {
            Done::Looped { id, work, ended, pace } => {
                let Some(number) = self.scheduler.handler_of(id) else { return };
                if let Some(handler) = self.handlers.get_mut(number) {
                    if let Some(pace) = pace {
                        handler.was_spawned(pace);
                    }
                    handler.keep(work);
                }
                self.loop_ended(number, id, ended);
            }
            Done::BatchLooped { handler: number, ids, work, ended, pace } => {
                if let Some(handler) = self.handlers.get_mut(number) {
                    if let Some(pace) = pace {
                        handler.was_spawned(pace);
                    }
                    handler.keep(work);
                }
                self.batch_ended(number, &ids, ended);
            }
            Done::Applied { id, job, settled } => self.applied(id, job, settled),
            Done::Called { handler: number, id, failed, pace } => {
                self.scheduler.returned(number);
                self.has_place = true;
                if let Some(handler) = self.handlers.get_mut(number) {
                    handler.was_spawned(pace);
                }
                match failed {
                    None => self.settle(id),
                    Some((job, outcome)) => self.apply(number, id, Some(job), outcome),
                }
            }
            Done::Refused { id, settled } => {
                if let Some(number) = self.scheduler.handler_of(id) {
                    self.scheduler.returned(number);
                    self.has_place = true;
                }
                self.applied(id, None, settled.map(|()| Attempted::Settled));
            }
        }
    }

    /// The loop of a handler has ended an attempt.
    pub(super) fn loop_ended(&mut self, number: HandlerIndex, id: RecordId, ended: Ended) {
        self.scheduler.returned(number);
        self.has_place = true;
        self.record_ended(number, id, without_events(ended.result), ended.has_ignored);
    }

    /// An attempt at a record has ended, perhaps one at several.
    pub(super) fn record_ended(
        &mut self,
        number: HandlerIndex,
        id: RecordId,
        outcome: Outcome,
        has_ignored: bool,
    ) {
        if matches!(outcome, Outcome::Handled)
            && !has_ignored
            && let Some(record) = self.scheduler.get(id)
            && let Some(batch) = self.batches.get(record.batch)
            && let Some(in_batch) = batch.records.get(record.index)
            && let Some(handler) = self.handlers.get(number)
            && let Some(event) = handler.event_of(record.name, in_batch)
        {
            self.settler.handled_in(&handler.route, in_batch, record.job.as_deref(), event);
            self.settle(id);
            return;
        }
        let job = self.scheduler.get_mut(id).and_then(|record| record.job.take());
        self.apply(number, id, job, outcome);
    }

    /// Does what an attempt that was not just handled asks for.
    fn apply(
        &mut self,
        number: HandlerIndex,
        id: RecordId,
        job: Option<Box<Job>>,
        outcome: Outcome,
    ) {
        let Some(handler) = self.handlers.get(number) else { return };
        let route = Arc::clone(&handler.route);
        let Some(mut call_record) = self.call_record(id) else { return };
        call_record.job = job;
        let work = apply(Arc::clone(&self.settler), route, call_record, outcome);
        self.begin(&[id], Box::pin(work));
    }

    fn applied(&mut self, id: RecordId, job: Option<Box<Job>>, settled: Settled<Attempted>) {
        match settled {
            Ok(Attempted::Settled) => self.settle(id),
            Ok(Attempted::Again(delay)) => self.try_again(id, job, delay),
            // Not the last word: others may be settled.
            Err(left) => {
                if let Err(failure) = ended(left) {
                    self.fail(failure);
                }
            }
        }
    }

    fn settle(&mut self, id: RecordId) {
        if let Some(record) = self.scheduler.finish(id, self.now) {
            self.progress.settle(record.sequence);
            self.settled += 1;
            self.forget(&record);
        }
    }

    pub(super) fn try_again(&mut self, id: RecordId, job: Option<Box<Job>>, delay: Duration) {
        self.take_back(id, job);
        let Some(record) = self.scheduler.get(id) else { return };
        if delay.is_zero() {
            self.scheduler.again(id);
        } else {
            self.delayed.push(Reverse((Instant::now() + delay, record.sequence, id)));
        }
    }
}
