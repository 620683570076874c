//! Calls with several records through the loop of their handler.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::Concurrent;
use super::calls::Began;
use super::scheduler::{HandlerIndex, RecordId};
use super::work::{batch_looped, batch_sent};
use crate::delivery::{NextBatch, Offset, ReadEnvelope};
use crate::handler::{BatchEnded, BatchResults};
use crate::outcome::{Error, Outcome, Verdict};
use crate::processor::attempt::without_events;
use crate::processor::concurrency::Permits;
use crate::processor::settle::{Job, verdict_on};

impl Concurrent {
    /// Hands the next records to the loop of their handler; gives the permits back when that is done.
    pub(super) fn start_batch(
        &mut self,
        number: HandlerIndex,
        permits: Permits,
        now: Instant,
        left: &mut usize,
    ) -> Option<Permits> {
        let mut ids = std::mem::take(&mut self.next_call);
        self.scheduler.start_batch(number, now, &mut ids);
        *left = left.saturating_sub(ids.len());
        // Layers are around one record.
        if let [id] = ids[..]
            && self.handlers.get(number).is_some_and(|handler| !handler.is_direct)
        {
            self.next_call = ids;
            return self.call(number, id, permits);
        }
        let (_, offset) = self.next_record(number, *ids.first()?)?;
        let next = ids.iter().filter_map(|id| Some(self.next_record(number, *id)?.0));
        let next = NextBatch::of(next);
        let handler = self.handlers.get_mut(number)?;
        if handler.is_spawned() {
            let (limit, work) = (handler.limit(), handler.loops.pop().unwrap_or_default());
            let (settler, route) = (Arc::clone(&self.settler), Arc::clone(&handler.route));
            ids.iter().for_each(|id| self.note_running(*id));
            let more = (limit, Some(permits));
            let call = (number, ids, offset);
            self.tasks.spawn(batch_looped(settler, route, call, work, Some(next), more));
            return None;
        }
        let began = self.poll_batch(number, offset, next)?;
        self.batch_polled(number, ids, began, Some(permits))
    }

    /// Polls a call with several records for the first time.
    pub(super) fn poll_batch(
        &mut self,
        number: HandlerIndex,
        offset: Offset,
        next: NextBatch,
    ) -> Option<Began<BatchEnded>> {
        self.poll_loop(number, offset, |work, route, context| {
            work.poll_batch(route, context, Some(next))
        })
    }

    /// Goes on after the first poll of a call; gives the permits back when it has ended.
    pub(super) fn batch_polled(
        &mut self,
        number: HandlerIndex,
        ids: Vec<RecordId>,
        Began { work, polled, limit, offset }: Began<BatchEnded>,
        permits: Option<Permits>,
    ) -> Option<Permits> {
        let handler = self.handlers.get_mut(number)?;
        let settler = &self.settler;
        match polled {
            Poll::Pending => {
                let (settler, route) = (Arc::clone(settler), Arc::clone(&handler.route));
                self.note_pending(number);
                ids.iter().for_each(|id| self.note_running(*id));
                let call = (number, ids, offset);
                let more = (limit, permits);
                self.tasks.spawn(batch_looped(settler, route, call, work, None, more));
                None
            }
            Poll::Ready(ended) if ended.results.sends() => {
                let (settler, route) = (Arc::clone(settler), Arc::clone(&handler.route));
                let call = (number, ids.clone(), offset);
                let sent = batch_sent(settler, route, call, work, ended, permits);
                self.begin(&ids, Box::pin(sent));
                None
            }
            Poll::Ready(ended) => {
                handler.was_done();
                handler.keep(work);
                self.batch_ended(number, &ids, ended);
                self.next_call = ids;
                permits
            }
        }
    }

    /// The loop of a handler has ended a call with several records.
    pub(super) fn batch_ended(
        &mut self,
        number: HandlerIndex,
        ids: &[RecordId],
        ended: BatchEnded,
    ) {
        self.scheduler.returned(number);
        self.has_place = true;
        let BatchEnded { results, has_ignored, .. } = ended;
        if matches!(results, BatchResults::Handled) {
            for id in ids {
                self.record_ended(number, *id, Outcome::Handled, has_ignored);
            }
            return;
        }
        let mut alone_after = None;
        for (id, result) in ids.iter().zip(results.each(ids.len())) {
            let outcome = without_events(result);
            match self.failure_of_all(number, &outcome, ids.len()) {
                Some((error, verdict)) => {
                    self.try_alone(number, *id, (error, verdict), &mut alone_after);
                }
                None => self.record_ended(number, *id, outcome, has_ignored),
            }
        }
    }

    /// The error of a call that failed as a whole. One failure of several records says nothing of any of them:
    /// each is tried alone, after the time that the failure asks for, and the attempt counts for none. Only what
    /// the handler depends on may be down for all.
    pub(super) fn failure_of_all<'o>(
        &self,
        number: HandlerIndex,
        outcome: &'o Outcome,
        records: usize,
    ) -> Option<(&'o Error, Verdict)> {
        let Outcome::Failed(error) = outcome else { return None };
        if records < 2 || !error.is_of_all() {
            return None;
        }
        let policy = self.settler.engine.policy_of(&self.handlers.get(number)?.route);
        let verdict = verdict_on(error, policy);
        (verdict != Verdict::Unavailable).then_some((error, verdict))
    }

    /// Has a record of a call that failed as a whole tried alone.
    fn try_alone(
        &mut self,
        number: HandlerIndex,
        id: RecordId,
        (error, verdict): (&Error, Verdict),
        alone_after: &mut Option<Duration>,
    ) {
        let Some(job) = self.job_of(number, id) else { return };
        let settler = &self.settler;
        let delay = *alone_after.get_or_insert_with(|| settler.batch_failed(&job, error, verdict));
        self.try_again(id, Some(job), delay);
    }

    /// What is known of a record, which gets the fields that count as absent when it has none so far.
    fn job_of(&mut self, number: HandlerIndex, id: RecordId) -> Option<Box<Job>> {
        let record = self.scheduler.get_mut(id)?;
        if let Some(job) = record.job.take() {
            return Some(job);
        }
        let (is_scanned, index) = (record.name.is_some(), record.index);
        let record = self.batches.get(record.batch)?.records.get(index)?;
        if is_scanned {
            self.settler.note_ignored(record, self.settler.envelope_of(record).read());
        }
        let route = &self.handlers.get(number)?.route;
        Some(Box::new(self.settler.first_job(record, route)))
    }
}
