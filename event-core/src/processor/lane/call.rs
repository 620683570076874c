//! One call of a handler, which is a task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use crate::delivery::{LazyEnvelope, ReadEnvelope, RecordBatch};
use crate::outcome::{Outcome, Verdict};
use crate::processor::agenda::HandlerIndex;
use crate::processor::attempt::attempt_batch;
use crate::processor::concurrency::permit;
use crate::processor::gate::Entry;
use crate::processor::settle::{
    Attempted, Job, NotSettled, Settled, Settler, event_of, verdict_on,
};
use crate::processor::tracker::Sequence;
use crate::processor::watch::watched;

/// A batch of which records are open.
pub(super) struct Shared {
    pub(super) batch: RecordBatch,
    /// How many are not settled.
    pub(super) open: AtomicUsize,
    /// How many calls have.
    pub(super) running: AtomicUsize,
    /// Whether the lane has noted that none is running.
    pub(super) is_resting: AtomicBool,
    /// The first record that was taken in; the others follow.
    pub(super) first: Option<Sequence>,
}

impl Shared {
    pub(super) fn new(batch: RecordBatch) -> Self {
        Shared {
            batch,
            open: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            is_resting: AtomicBool::new(false),
            first: None,
        }
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
            let envelope = settler.envelope_of(record);
            let event = event_of(record, envelope.read());
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
    let own = &engine.handler(&route).calls;
    let permits = async { (permit(own).await, engine.concurrency.permit().await) };
    let _permits = tokio::select! {
        biased;
        () = settler.told_to_stop() => None,
        permits = permits => Some(permits),
    };
    // Asked when it is about to begin: many may have waited for their turn.
    let left = match engine.handler(&route).gate.entry() {
        _ if settler.is_told_to_stop() => Some(Err(NotSettled::Stopped)),
        Entry::Open => None,
        Entry::NotBefore(_) | Entry::Shut => Some(Ok(Attempted::Again(Duration::ZERO))),
    };
    if let Some(left) = left {
        for (sequence, _, _, job) in jobs {
            let left = match &left {
                Ok(again) => Ok(*again),
                Err(_) => Err(NotSettled::Stopped),
            };
            returned.records.push((sequence, Some(job), left));
        }
        return returned;
    }
    let slot = settler.slot();
    let outcomes = if let [(_, shared, index, job)] = &jobs[..]
        && let Some(record) = shared.batch.get(*index)
    {
        let envelope = settler.envelope_of(record);
        let delivery = settler.delivery(record, &envelope, job);
        vec![settler.watched(&slot, &route, &delivery).await]
    } else {
        let records: Vec<_> =
            jobs.iter().map(|(_, shared, index, job)| (shared.batch.get(*index), job)).collect();
        let envelopes: Vec<Option<LazyEnvelope<'_>>> = records
            .iter()
            .map(|(record, _)| record.map(|record| settler.envelope_of(record)))
            .collect();
        let deliveries: Vec<_> = records
            .iter()
            .zip(&envelopes)
            .filter_map(|((record, job), envelope)| {
                Some(settler.delivery((*record)?, envelope.as_ref()?, job))
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
    // One failure of several records says nothing of any of them: each is tried alone, after the time
    // that the failure asks for, and the attempt counts for none. Only what the handler depends on may
    // be down for all.
    let several = jobs.len() > 1;
    let policy = engine.policy_of(&route);
    let mut alone_after = None;
    for ((sequence, shared, index, mut job), outcome) in jobs.into_iter().zip(outcomes) {
        if let Outcome::Failed(error) = &outcome
            && several
            && error.is_of_all()
            && let verdict = verdict_on(error, policy)
            && verdict != Verdict::Unavailable
        {
            let delay =
                *alone_after.get_or_insert_with(|| settler.batch_failed(&job, error, verdict));
            returned.records.push((sequence, Some(job), Ok(Attempted::Again(delay))));
            continue;
        }
        match shared.batch.get(index) {
            Some(record) if matches!(outcome, Outcome::Handled | Outcome::Skipped) => {
                let envelope = settler.envelope_of(record);
                let event = event_of(record, envelope.read());
                let judged = settler.judge(record, event, &mut job, outcome).await;
                returned.records.push((sequence, Some(job), judged));
            }
            _ => returned.unjudged.push(Unjudged { sequence, shared, index, job, outcome }),
        }
    }
    returned
}
