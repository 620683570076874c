//! What is done with records, as futures: a lane polls each once, and has it go on as a task when it
//! is not done then.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::scheduler::{HandlerIndex, RecordId};
use crate::delivery::{LazyEnvelope, NextRecord, Offset, OpenBatch, ReadEnvelope, RecordRef};
use crate::event::{NameAt, Scanned};
use crate::handler::Ended;
use crate::outcome::{Outcome, Verdict};
use crate::processor::attempt::{TimeLimit, attempt, attempt_batch, outcome_within, timed_out};
use crate::processor::concurrency::Permits;
use crate::processor::loops::LoopSlot;
use crate::processor::settle::{Attempted, Job, Settled, Settler, event_of, verdict_on};
use crate::processor::watch::watched;
use crate::router::Route;

/// Work that a lane polls once and then has go on as a task.
pub(super) type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What work gives back.
pub(super) enum Done {
    /// An attempt by the loop of a handler has ended; the loop takes another record.
    Looped { id: RecordId, work: LoopSlot, ended: Ended, pace: Option<Pace> },
    /// What an attempt asks for was done, or has to be waited for.
    Applied { id: RecordId, job: Option<Box<Job>>, settled: Settled<Attempted> },
    /// A call has ended; these of its records were handled, and others not.
    Called {
        handler: HandlerIndex,
        handled: Vec<RecordId>,
        others: Vec<(RecordId, Box<Job>, After)>,
        pace: Pace,
    },
    /// A record that no handler is to have is settled, or not.
    Refused { id: RecordId, settled: Settled },
}

/// What becomes of a record that a call did not handle.
pub(super) enum After {
    /// It is tried again after this time, alone.
    Again(Duration),
    /// What the outcome asks for takes its time: the place of the call is free meanwhile.
    Failed(Outcome),
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

    fn envelope(&self, settler: &Settler) -> Option<LazyEnvelope<'_>> {
        let record = self.record()?;
        let scanned = self.name.and_then(|name| Scanned::of(record.value?, name));
        Some(match scanned {
            Some(scanned) => LazyEnvelope::scanned(record, settler.engine.policy.envelope, scanned),
            None => settler.envelope_of(record),
        })
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
    (limit, permits): (TimeLimit, Permits),
) -> Done {
    let slot = settler.slot();
    settler.engine.watch.begin(&slot, route.index, offset);
    let mut pace = Pace { at_once: next.is_some(), longest: Duration::ZERO };
    let poll = poll_fn(|context| {
        let began = Instant::now();
        slot.count_poll();
        let polled = work.poll(&route, context, next.take());
        slot.count_poll();
        pace.longest = pace.longest.max(began.elapsed());
        pace.at_once &= polled.is_ready();
        polled
    });
    let ended = match limit {
        None => Ok(poll.await),
        Some((limit, at)) => timeout_at(at, poll).await.map_err(|_| limit),
    };
    let mut ended = ended.unwrap_or_else(|limit| {
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

/// Sends the events that an attempt returned, which is part of it.
pub(super) async fn sent(
    settler: Arc<Settler>,
    route: Arc<Route>,
    id: RecordId,
    (offset, work): (Offset, LoopSlot),
    ended: Ended,
    (limit, permits): (TimeLimit, Permits),
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
            settler.judge(record, event_of(record, envelope.read()), &mut job, outcome).await
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

/// Calls a handler with one record or several, inside of its layers and its time limit.
pub(super) async fn call(
    settler: Arc<Settler>,
    (handler, route): (HandlerIndex, Arc<Route>),
    mut records: Vec<CallRecord>,
    permits: Permits,
) -> Done {
    let (mut pace, slot) = (Pace { at_once: true, longest: Duration::ZERO }, settler.slot());
    let jobs: Vec<_> = records.iter_mut().map(|call_record| call_record.job.take()).collect();
    let envelopes: Vec<_> =
        records.iter().map(|call_record| call_record.envelope(&settler)).collect();
    let deliveries: Vec<_> = (records.iter().zip(&envelopes).zip(&jobs))
        .filter_map(|((call_record, envelope), job)| {
            let (record, envelope) = (call_record.record()?, envelope.as_ref()?);
            Some(match job {
                Some(job) => settler.delivery(record, envelope, job),
                None => settler.first_delivery(record, envelope, &route),
            })
        })
        .collect();
    let outcomes = {
        let engine = &*settler.engine;
        if let Some(first) = deliveries.first() {
            engine.watch.begin(&slot, route.index, first.record.offset);
        }
        let attempts = async {
            match &deliveries[..] {
                [delivery] => vec![attempt(engine, &route, delivery).await],
                _ => attempt_batch(engine, &route, &deliveries).await,
            }
        };
        let mut attempts = std::pin::pin!(attempts);
        let timed = poll_fn(|context| {
            let began = Instant::now();
            let polled = attempts.as_mut().poll(context);
            pace.longest = pace.longest.max(began.elapsed());
            pace.at_once &= polled.is_ready();
            polled
        });
        watched(&slot, timed).await
    };
    slot.end();
    drop(deliveries);
    settler.give_back(slot);
    drop(permits);
    for ((call_record, envelope), job) in records.iter().zip(&envelopes).zip(&jobs) {
        if let (Some(record), Some(envelope), None) = (call_record.record(), envelope, job)
            && call_record.name.is_some()
            && envelope.has_ignored()
        {
            settler.note_ignored(record, envelope.read());
        }
    }
    let (mut handled, mut others) = (Vec::new(), Vec::new());
    // One failure of several records says nothing of any of them: each is tried alone, after the time
    // that the failure asks for, and the attempt counts for none. Only what the handler depends on may
    // be down for all.
    let several = records.len() > 1;
    let policy = settler.engine.policy_of(&route);
    let mut alone_after = None;
    for (((call_record, envelope), job), outcome) in
        records.iter().zip(&envelopes).zip(jobs).zip(outcomes)
    {
        let (Some(record), Some(envelope)) = (call_record.record(), envelope) else { continue };
        if matches!(outcome, Outcome::Handled) {
            let event = match call_record.name.and_then(|name| name.text(record.value?)) {
                Some(event) => event,
                None => event_of(record, envelope.read()),
            };
            settler.handled_in(&route, record, job.as_deref(), event);
            handled.push(call_record.id);
            continue;
        }
        let Some(job) = job.or_else(|| call_record.job(&settler, &route)) else { continue };
        if let Outcome::Failed(error) = &outcome
            && several
            && error.is_of_all()
            && let verdict = verdict_on(error, policy)
            && verdict != Verdict::Unavailable
        {
            let delay =
                *alone_after.get_or_insert_with(|| settler.batch_failed(&job, error, verdict));
            others.push((call_record.id, job, After::Again(delay)));
        } else {
            others.push((call_record.id, job, After::Failed(outcome)));
        }
    }
    Done::Called { handler, handled, others, pace }
}

/// Polls work once; the lane has it go on as a task, which polls it again, when it is not done.
pub(super) fn poll_once(work: &mut Work) -> Poll<Done> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    work.as_mut().poll(&mut context)
}
