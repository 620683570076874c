//! One call of a handler, which is a task.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::delivery::RecordBatch;
use crate::event::Envelope;
use crate::outcome::Outcome;
use crate::processor::agenda::HandlerIndex;
use crate::processor::attempt::attempt_batch;
use crate::processor::settle::{Attempted, Job, NotSettled, Settled, Settler};
use crate::processor::tracker::Sequence;
use crate::processor::watch::watched;

/// A batch of which records are open.
pub(super) struct Shared {
    pub(super) batch: RecordBatch,
    /// How many are not settled.
    pub(super) open: AtomicUsize,
    /// The first record that was taken in; the others follow.
    pub(super) first: Option<Sequence>,
}

impl Shared {
    pub(super) fn new(batch: RecordBatch) -> Self {
        Shared { batch, open: AtomicUsize::new(0), first: None }
    }
}

/// What a task gives back.
pub(super) struct Returned {
    /// The handler whose call has ended; `None` when only a verdict was carried out.
    pub(super) handler: Option<HandlerIndex>,
    pub(super) records: Vec<(Sequence, Option<Job>, Settled<Attempted>)>,
    /// What did not go well, and may take its time: the place of the call is free meanwhile, and what
    /// went well is settled.
    pub(super) unjudged: Vec<Unjudged>,
}

/// An attempt whose outcome has to be carried out.
pub(super) struct Unjudged {
    sequence: Sequence,
    shared: Arc<Shared>,
    index: usize,
    job: Job,
    outcome: Outcome,
}

/// Carries out what an outcome asks for.
pub(super) async fn judge(settler: Arc<Settler>, unjudged: Unjudged) -> Returned {
    let Unjudged { sequence, shared, index, mut job, outcome } = unjudged;
    let judged = match shared.batch.get(index) {
        Some(record) => {
            // What could not be read was refused.
            let envelope = record.value.and_then(|value| Envelope::read(value).ok());
            let event = envelope.as_ref().map(Envelope::event_type);
            settler.judge(record, event, &mut job, outcome).await
        }
        None => Ok(Attempted::Settled),
    };
    Returned { handler: None, records: vec![(sequence, Some(job), judged)], unjudged: Vec::new() }
}

/// One call of a handler, with one record or a batch.
pub(super) async fn call(
    settler: Arc<Settler>,
    handler: HandlerIndex,
    records: Vec<(Sequence, Arc<Shared>, usize, Option<Job>)>,
) -> Returned {
    let engine = &settler.engine;
    let mut returned = Returned {
        handler: Some(handler),
        records: Vec::with_capacity(records.len()),
        unjudged: Vec::new(),
    };
    let mut jobs = Vec::with_capacity(records.len());
    for (sequence, shared, index, job) in records {
        match job {
            Some(job) => jobs.push((sequence, shared, index, job)),
            None => {
                let outcome = match shared.batch.get(index) {
                    Some(record) => {
                        let read = settler.read(record);
                        settler.settle_without_handler(record, read).await
                    }
                    None => Ok(()),
                };
                returned.records.push((sequence, None, outcome.map(|()| Attempted::Settled)));
            }
        }
    }
    let Some(route) = jobs.first().map(|(_, _, _, job)| Arc::clone(&job.route)) else {
        return returned;
    };
    // The handler's own limit first: whoever waits there takes nothing from the others.
    let (own, all) = (&engine.handler(&route).calls, &engine.calls);
    let _permits = (permit(own).await, permit(all).await);
    if settler.is_told_to_stop() {
        let left = jobs
            .into_iter()
            .map(|(sequence, _, _, job)| (sequence, Some(job), Err(NotSettled::Stopped)));
        returned.records.extend(left);
        return returned;
    }
    if engine.handler(&route).is_shut_again() {
        // Nothing was tried; they keep their places, and wait with all others.
        let again = Attempted::Again(Duration::ZERO);
        let left = jobs.into_iter().map(|(sequence, _, _, job)| (sequence, Some(job), Ok(again)));
        returned.records.extend(left);
        return returned;
    }
    let slot = settler.slot();
    let outcomes = if let [(_, shared, index, job)] = &jobs[..]
        && let Some(record) = shared.batch.get(*index)
    {
        // What could not be read was refused.
        let envelope = record.value.and_then(|value| Envelope::read(value).ok());
        let delivery = settler.delivery(record, envelope.as_ref(), job);
        vec![settler.watched(&slot, &route, &delivery).await]
    } else {
        let records: Vec<_> =
            jobs.iter().map(|(_, shared, index, job)| (shared.batch.get(*index), job)).collect();
        let envelopes: Vec<Option<Envelope<'_>>> = records
            .iter()
            // What could not be read was refused.
            .map(|(record, _)| Envelope::read(record.as_ref()?.value?).ok())
            .collect();
        let deliveries: Vec<_> = records
            .iter()
            .zip(&envelopes)
            .filter_map(|((record, job), envelope)| {
                Some(settler.delivery((*record)?, envelope.as_ref(), job))
            })
            .collect();
        let offset = deliveries.first().map(|delivery| delivery.record.offset);
        if let Some(offset) = offset {
            engine.watch.begin(&slot, route.index, offset);
        }
        let outcomes = watched(&slot, attempt_batch(engine, &route, &deliveries)).await;
        slot.end();
        outcomes
    };
    settler.give_back(slot);
    for ((sequence, shared, index, mut job), outcome) in jobs.into_iter().zip(outcomes) {
        match shared.batch.get(index) {
            Some(record) if matches!(outcome, Outcome::Handled | Outcome::Skipped) => {
                let envelope = record.value.and_then(|value| Envelope::read(value).ok());
                let event = envelope.as_ref().map(Envelope::event_type);
                let judged = settler.judge(record, event, &mut job, outcome).await;
                returned.records.push((sequence, Some(job), judged));
            }
            _ => returned.unjudged.push(Unjudged { sequence, shared, index, job, outcome }),
        }
    }
    returned
}

async fn permit(calls: &Semaphore) -> Option<SemaphorePermit<'_>> {
    // It is never closed.
    calls.acquire().await.ok()
}
