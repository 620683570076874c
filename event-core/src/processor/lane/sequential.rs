//! One record after the other.
//!
//! Nearly every record takes the direct way: a scan finds the event's name, the loop of the handler is
//! polled here and now, and the handler has ended when the poll returns. That is one function without a
//! future of its own ([`Sequential::poll`]); whatever else happens to a record is done by
//! [`Settler::settle`] and what it calls.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::coop::unconstrained;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Ended, Ending, Incoming, Progress, ended};
use crate::delivery::{OpenBatch, RecordBatch, RecordRef};
use crate::event::NameAt;
use crate::handler;
use crate::outcome::Outcome;
use crate::processor::attempt::{TimeLimit, timed_out};
use crate::processor::loops::LoopSlot;
use crate::processor::settle::{NotSettled, Settled, Settler};
use crate::processor::watch::Slot;
use crate::router::Route;

/// How many records are settled at most before others may use the thread: a handler that never waits
/// would keep timers and signals from it, for as long as there are records.
const RECORDS_A_POLL: u32 = 128;

struct Sequential {
    settler: Settler,
    progress: Arc<Progress>,
    ending: Arc<Ending>,
    slot: Arc<Slot>,
    /// By the numbers of the routes.
    loops: Vec<LoopSlot>,
    /// How many records are settled before the thread is given up, over all batches.
    left_in_poll: u32,
}

/// A batch while it is worked on.
struct Turn<'b> {
    batch: &'b Arc<OpenBatch>,
    /// The record that is next, or that a handler has.
    index: usize,
    running: Option<Direct<'b>>,
    timer: AttemptTimer,
    /// What is settled and not yet counted.
    settled: u64,
}

/// The time that an attempt may take. A timer is made for an attempt that waits, not for one that ends at once.
#[derive(Default)]
struct AttemptTimer {
    limit: TimeLimit,
    timer: Option<Pin<Box<Sleep>>>,
}

/// A record that takes the direct way.
#[derive(Clone, Copy)]
pub(in crate::processor) struct Direct<'b> {
    pub(in crate::processor) record: RecordRef<'b>,
    pub(in crate::processor) route: &'b Arc<Route>,
    pub(in crate::processor) event: &'b str,
    pub(in crate::processor) name: NameAt,
}

/// What is to be done where the direct way ends.
enum Step<'b> {
    BatchEnded,
    Stopped,
    /// The next record needs more than a scan and a poll.
    Settle(RecordRef<'b>),
    /// The attempt at the record ended in another way than handled.
    Apply(Direct<'b>, handler::Ended, TimeLimit),
}

pub(super) async fn run(
    mut incoming: mpsc::UnboundedReceiver<Incoming>,
    settler: Settler,
    progress: Arc<Progress>,
    mut stopped: watch::Receiver<bool>,
    ending: Arc<Ending>,
) -> Ended {
    let slot = settler.engine.watch.slot(&settler.partition);
    let loops = settler.engine.handler_ids().iter().map(|_| LoopSlot::default()).collect();
    let left_in_poll = RECORDS_A_POLL;
    let mut lane = Sequential { settler, progress, ending, slot, loops, left_in_poll };
    loop {
        let next = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            next = incoming.recv() => next,
        };
        let left = match next {
            None => return Ok(()),
            Some(Incoming::Records(batch)) => lane.settle(batch).await,
            Some(Incoming::Passed(next)) => {
                lane.progress.passed(next);
                continue;
            }
        };
        lane.ending.note_in_flight(false);
        if let Err(left) = left {
            return ended(left);
        }
    }
}

impl Sequential {
    async fn settle(&mut self, records: RecordBatch) -> Settled {
        let Sequential { settler, progress, ending, slot, loops, left_in_poll } = self;
        let batch = settler.open(records);
        let mut turn = Turn {
            batch: &batch,
            index: 0,
            running: None,
            timer: AttemptTimer::default(),
            settled: 0,
        };
        loop {
            let step = poll_fn(|context| {
                // A handler that blocks its thread is inside of this poll.
                ending.note_in_flight(true);
                let polled =
                    turn.poll(settler, progress, (slot, &mut *left_in_poll), loops, context);
                // Not one by one, because all lanes count in one place.
                settler.engine.count_settled(std::mem::take(&mut turn.settled));
                ending.note_in_flight(turn.running.is_some());
                if polled.is_pending() {
                    *left_in_poll = RECORDS_A_POLL;
                }
                polled
            });
            let record = match step.await {
                Step::BatchEnded => return Ok(()),
                Step::Stopped => return Err(NotSettled::Stopped),
                Step::Settle(record) => {
                    ending.note_in_flight(true);
                    settler.settle(record, slot).await?;
                    record
                }
                Step::Apply(direct, ended, limit) => {
                    ending.note_in_flight(true);
                    settler.apply(direct, ended, limit, slot).await?;
                    direct.record
                }
            };
            turn.is_settled(record, progress);
        }
    }
}

impl<'b> Turn<'b> {
    fn poll(
        &mut self,
        settler: &'b Settler,
        progress: &Progress,
        (slot, left_in_poll): (&Slot, &mut u32),
        loops: &mut [LoopSlot],
        context: &mut Context<'_>,
    ) -> Poll<Step<'b>> {
        loop {
            let (direct, next) = match self.running {
                Some(direct) => (direct, None),
                None => {
                    let Some(record) = self.batch.records.get(self.index) else {
                        return Poll::Ready(Step::BatchEnded);
                    };
                    if settler.is_stop_requested() {
                        return Poll::Ready(Step::Stopped);
                    }
                    if *left_in_poll == 0 {
                        // It wakes the lane when the others had their turn.
                        let _ = pin!(yield_now()).poll(context);
                        return Poll::Pending;
                    }
                    *left_in_poll -= 1;
                    let Some(direct) = settler.direct(record) else {
                        return Poll::Ready(Step::Settle(record));
                    };
                    (direct, Some(settler.first_attempt(self.batch, self.index, direct)))
                }
            };
            let Some(work) = loops.get_mut(direct.route.index) else {
                return Poll::Ready(Step::Settle(direct.record));
            };
            if next.is_some() {
                settler.engine.watch.begin(slot, direct.route.index, direct.record.offset);
                self.timer.begin(settler.engine.policy_of(direct.route).timeout);
            }
            slot.count_poll();
            let polled = work.poll(direct.route, context, next);
            slot.count_poll();
            let ended = match polled {
                Poll::Ready(ended) => ended,
                Poll::Pending => match self.timer.poll(context) {
                    Poll::Pending => {
                        self.running = Some(direct);
                        return Poll::Pending;
                    }
                    Poll::Ready(limit) => {
                        work.cancel();
                        handler::Ended::new(Ok(timed_out(limit)))
                    }
                },
            };
            self.timer.end();
            slot.end();
            self.running = None;
            if !matches!(ended.result, Ok(Outcome::Handled)) || ended.has_ignored {
                return Poll::Ready(Step::Apply(direct, ended, self.timer.limit));
            }
            settler.handled_in(direct.route, direct.record, None, direct.event);
            self.is_settled(direct.record, progress);
        }
    }

    fn is_settled(&mut self, record: RecordRef<'_>, progress: &Progress) {
        progress.settled(record.offset);
        self.index += 1;
        self.settled += 1;
    }
}

impl AttemptTimer {
    fn begin(&mut self, limit: Option<Duration>) {
        self.limit = limit.map(|limit| (limit, Instant::now() + limit));
    }

    fn end(&mut self) {
        self.timer = None;
    }

    /// Ready with the limit when the time is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        let Some((limit, at)) = self.limit else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        // Also when the handler has used up what the task may do in a turn, or its time would never be over.
        ready!(pin!(unconstrained(timer.as_mut())).poll(context));
        Poll::Ready(limit)
    }
}
