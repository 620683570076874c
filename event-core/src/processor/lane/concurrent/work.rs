//! What is done with records, as futures: a lane polls each once, and has it go on as a task when it
//! is not done then.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::scheduler::{HandlerIndex, RecordId};
use crate::delivery::{NextBatch, NextRecord, Offset, OpenBatch, ReadEnvelope, RecordRef};
use crate::event::NameAt;
use crate::handler::{BatchEnded, BatchResults, Ended};
use crate::outcome::Outcome;
use crate::processor::attempt::{
    TimeLimit, attempt, outcome_within, outcomes_of, time_out_error, timed_out, within,
};
use crate::processor::concurrency::Permits;
use crate::processor::loops::LoopSlot;
use crate::processor::settle::{Attempted, Job, Settled, Settler, event_of};
use crate::processor::watch::{Slot, watched};
use crate::router::Route;

/// Work that a lane polls once and then has go on as a task.
pub(super) type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What work gives back.
pub(super) enum Done {
    /// An attempt by the loop of a handler has ended; the loop takes another record.
    Looped { id: RecordId, work: LoopSlot, ended: Ended, pace: Option<Pace> },
    /// A call with several records by the loop of their handler has ended; the loop takes others.
    BatchLooped {
        handler: HandlerIndex,
        ids: Vec<RecordId>,
        work: LoopSlot,
        ended: BatchEnded,
        pace: Option<Pace>,
    },
    /// What an attempt asks for was done, or has to be waited for.
    Applied { id: RecordId, job: Option<Box<Job>>, settled: Settled<Attempted> },
    /// A call of a handler that has layers has ended; with what is known of its record when it was not handled.
    Called { handler: HandlerIndex, id: RecordId, failed: Option<(Box<Job>, Outcome)>, pace: Pace },
    /// A record that no handler is to have is settled, or not.
    Refused { id: RecordId, settled: Settled },
}

/// How a handler used its thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Whether it was done when it was polled first.
    pub(super) at_once: bool,
    /// How long its longest poll took.
    pub(super) longest: Duration,
}

/// A record with what is known of it.
pub(super) struct CallRecord {
    pub(super) id: RecordId,
    pub(super) batch: Arc<OpenBatch>,
    pub(super) index: usize,
    pub(super) name: Option<NameAt>,
    pub(super) job: Option<Box<Job>>,
}

impl CallRecord {
    fn record(&self) -> Option<RecordRef<'_>> {
        self.batch.records.get(self.index)
    }

    fn job(&self, settler: &Settler, route: &Arc<Route>) -> Option<Box<Job>> {
        Some(Box::new(settler.first_job(self.record()?, route)))
    }
}

/// Goes on with an attempt by the loop of a handler, or begins it with `next`.
pub(super) async fn looped(
    settler: Arc<Settler>,
    route: Arc<Route>,
    (id, offset): (RecordId, Offset),
    mut work: LoopSlot,
    mut next: Option<NextRecord>,
    (limit, permits): (TimeLimit, Option<Permits>),
) -> Done {
    let slot = settler.slot();
    settler.engine.watch.begin(&slot, route.index, offset);
    let mut pace = Pace { at_once: next.is_some(), longest: Duration::ZERO };
    let poll = paced(&slot, &mut pace, |context| work.poll(&route, context, next.take()));
    let mut ended = within(limit, poll).await.unwrap_or_else(|limit| {
        work.cancel();
        Ended::new(Ok(timed_out(limit)))
    });
    if matches!(ended.result, Ok(Outcome::Emits(_))) {
        let outcome = outcome_within(limit, &settler.engine, ended.result);
        ended.result = Ok(watched(&slot, outcome).await);
    }
    slot.end();
    settler.give_back(slot);
    drop(permits);
    Done::Looped { id, work, ended, pace: Some(pace) }
}

/// Polls with `poll`, and notes how the handler uses its thread.
fn paced<T>(
    slot: &Slot,
    pace: &mut Pace,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> impl Future<Output = T> {
    poll_fn(move |context| {
        let began = Instant::now();
        slot.count_poll();
        let polled = poll(context);
        slot.count_poll();
        pace.longest = pace.longest.max(began.elapsed());
        pace.at_once &= polled.is_ready();
        polled
    })
}

/// Goes on with a call with several records, or begins it with `next`.
pub(super) async fn batch_looped(
    settler: Arc<Settler>,
    route: Arc<Route>,
    (handler, ids, offset): (HandlerIndex, Vec<RecordId>, Offset),
    mut work: LoopSlot,
    mut next: Option<NextBatch>,
    (limit, permits): (TimeLimit, Option<Permits>),
) -> Done {
    let slot = settler.slot();
    settler.engine.watch.begin(&slot, route.index, offset);
    let mut pace = Pace { at_once: next.is_some(), longest: Duration::ZERO };
    let poll = paced(&slot, &mut pace, |context| work.poll_batch(&route, context, next.take()));
    let mut ended = within(limit, poll).await.unwrap_or_else(|limit| {
        work.cancel();
        BatchEnded::new(BatchResults::Failed(time_out_error(limit)))
    });
    if ended.results.sends() {
        ended = watched(&slot, with_outcomes(&settler, ended, ids.len())).await;
    }
    slot.end();
    settler.give_back(slot);
    drop(permits);
    Done::BatchLooped { handler, ids, work, ended, pace: Some(pace) }
}

/// Sends the events that a call with several records returned, which is part of it.
pub(super) async fn batch_sent(
    settler: Arc<Settler>,
    route: Arc<Route>,
    (handler, ids, offset): (HandlerIndex, Vec<RecordId>, Offset),
    work: LoopSlot,
    ended: BatchEnded,
    permits: Option<Permits>,
) -> Done {
    let slot = settler.slot();
    settler.engine.watch.begin(&slot, route.index, offset);
    let ended = watched(&slot, with_outcomes(&settler, ended, ids.len())).await;
    slot.end();
    settler.give_back(slot);
    drop(permits);
    Done::BatchLooped { handler, ids, work, ended, pace: None }
}

async fn with_outcomes(settler: &Settler, ended: BatchEnded, records: usize) -> BatchEnded {
    let outcomes = outcomes_of(&settler.engine, ended.results.each(records)).await;
    let results = BatchResults::Each(outcomes.into_iter().map(Ok).collect());
    BatchEnded { results, ..ended }
}

/// Sends the events that an attempt returned, which is part of it.
pub(super) async fn sent(
    settler: Arc<Settler>,
    route: Arc<Route>,
    id: RecordId,
    (offset, work): (Offset, LoopSlot),
    ended: Ended,
    (limit, permits): (TimeLimit, Option<Permits>),
) -> Done {
    let slot = settler.slot();
    settler.engine.watch.begin(&slot, route.index, offset);
    let outcome = outcome_within(limit, &settler.engine, ended.result);
    let result = Ok(watched(&slot, outcome).await);
    slot.end();
    settler.give_back(slot);
    drop(permits);
    Done::Looped { id, work, ended: Ended { result, ..ended }, pace: None }
}

/// Does what an attempt that was not just handled asks for.
pub(super) async fn apply(
    settler: Arc<Settler>,
    route: Arc<Route>,
    mut call_record: CallRecord,
    outcome: Outcome,
) -> Done {
    let id = call_record.id;
    let is_first = call_record.job.is_none();
    let job = call_record.job.take().or_else(|| call_record.job(&settler, &route));
    // Its batch has it as long as it is in flight.
    let (Some(record), Some(mut job)) = (call_record.record(), job) else {
        return Done::Applied { id, job: None, settled: Ok(Attempted::Settled) };
    };
    let envelope = settler.envelope_of(record);
    // What was decoded at once, without the outer object, had none.
    if is_first && call_record.name.is_some() {
        settler.note_ignored(record, envelope.read());
    }
    let settled = match outcome {
        // Whether it is an event at all is decided before its handler is, also where an argument that comes
        // before the event could not be made.
        _ if call_record.name.is_some()
            && is_first
            && settler.engine.policy.read(record).is_err() =>
        {
            settler.engine.attempt_said_nothing(&route);
            let read = settler.read(record);
            settler.settle_without_handler(record, read).await.map(|()| Attempted::Settled)
        }
        outcome => {
            settler
                .apply_outcome(record, event_of(record, envelope.read()), &mut job, outcome)
                .await
        }
    };
    Done::Applied { id, job: Some(job), settled }
}

/// Settles a record that no handler is to have.
pub(super) async fn refuse(settler: Arc<Settler>, call_record: CallRecord) -> Done {
    let settled = match call_record.record() {
        Some(record) => {
            let read = settler.read(record);
            settler.settle_without_handler(record, read).await
        }
        None => Ok(()),
    };
    Done::Refused { id: call_record.id, settled }
}

/// Calls a handler that has layers with a record, inside of them and of its time limit.
pub(super) async fn call(
    settler: Arc<Settler>,
    (handler, route): (HandlerIndex, Arc<Route>),
    mut call_record: CallRecord,
    permits: Permits,
) -> Done {
    let mut pace = Pace { at_once: true, longest: Duration::ZERO };
    let (id, job) = (call_record.id, call_record.job.take());
    // Its batch has it as long as it is in flight.
    let Some(record) = call_record.record() else {
        return Done::Called { handler, id, failed: None, pace };
    };
    let envelope = settler.envelope_of(record);
    let delivery = match &job {
        Some(job) => settler.delivery(record, &envelope, job),
        None => settler.first_delivery(record, &envelope, &route),
    };
    let slot = settler.slot();
    settler.engine.watch.begin(&slot, route.index, delivery.record.offset);
    let outcome = {
        let mut attempt = std::pin::pin!(attempt(&settler.engine, &route, &delivery));
        paced(&slot, &mut pace, |context| attempt.as_mut().poll(context)).await
    };
    slot.end();
    settler.give_back(slot);
    drop(permits);
    let failed = if matches!(outcome, Outcome::Handled) {
        let event = event_of(record, envelope.read());
        settler.handled_in(&route, record, job.as_deref(), event);
        None
    } else {
        let first = || Box::new(settler.first_job(record, &route));
        Some((job.unwrap_or_else(first), outcome))
    };
    Done::Called { handler, id, failed, pace }
}

/// Polls work once; the lane has it go on as a task, which polls it again, when it is not done.
pub(super) fn poll_once(work: &mut Work) -> Poll<Done> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    work.as_mut().poll(&mut context)
}
