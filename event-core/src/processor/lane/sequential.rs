//! One record after the other.
//!
//! Nearly every record takes the direct way: a scan finds the event's name, the loop of the handler is
//! polled here and now, and the handler has ended when the poll returns. That is one function without a
//! future of its own ([`Turn::poll`]); whatever else happens to a record is done by
//! [`Settler::settle`] and what it calls. What is done so is settled when the next record begins, but for a dead
//! letter that is on its way ([`letter`]).

mod letter;

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
use letter::{Handled, Letter, Settling};

/// How many records are settled at most before others may use the thread: a handler that never waits
/// would keep timers and signals from it, for as long as there are records.
const RECORDS_A_POLL: u32 = 128;

struct Sequential {
    settler: Arc<Settler>,
    progress: Arc<Progress>,
    ending: Arc<Ending>,
    slot: Arc<Slot>,
    /// By the numbers of the routes.
    loops: Vec<LoopSlot>,
    /// How many records are settled before the thread is given up, over all batches.
    left_in_poll: u32,
    /// What the records that are handled now are behind of.
    letter: Option<Letter>,
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
    /// The dead letter that was on its way is not there.
    Left(NotSettled),
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
    let settler = Arc::new(settler);
    let letter = None;
    let mut lane = Sequential { settler, progress, ending, slot, loops, left_in_poll, letter };
    let left = loop {
        let next = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => break Ok(()),
            letter = lane.letter(), if lane.letter.is_some() => {
                lane.ending.note_in_hand(false);
                match letter {
                    Ok(()) => continue,
                    left => break left,
                }
            }
            next = incoming.recv() => next,
        };
        let settled = match next {
            None => break Ok(()),
            Some(Incoming::Records(batch)) => lane.settle(batch).await,
            Some(Incoming::Passed(next)) => {
                let there = lane.letter().await;
                there.map(|()| lane.progress.passed(next))
            }
        };
        lane.ending.note_in_hand(lane.letter.is_some());
        if settled.is_err() {
            break settled;
        }
    };
    // Not cut short by a stop either: it may arrive, and would be written twice.
    let letter = lane.letter().await;
    lane.ending.note_in_hand(false);
    left.map_or_else(ended, Ok).and(letter.map_or_else(ended, Ok))
}

impl Sequential {
    /// Waits for the dead letter that is on its way, if there is one.
    async fn letter(&mut self) -> Settled {
        let Sequential { settler, progress, letter, .. } = self;
        poll_fn(|context| poll_letter(letter, settler, progress, context)).await
    }

    async fn settle(&mut self, records: RecordBatch) -> Settled {
        let Sequential { settler, progress, ending, slot, loops, left_in_poll, letter } = self;
        let settler = &*settler;
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
                ending.note_in_hand(true);
                let polled = turn.poll(
                    settler,
                    progress,
                    (slot, &mut *left_in_poll),
                    loops,
                    letter,
                    context,
                );
                // Not one by one, because all lanes count in one place.
                settler.engine.count_settled(std::mem::take(&mut turn.settled));
                ending.note_in_hand(turn.running.is_some() || letter.is_some());
                if polled.is_pending() {
                    *left_in_poll = RECORDS_A_POLL;
                }
                polled
            });
            let step = step.await;
            if matches!(step, Step::Settle(_) | Step::Apply(..)) {
                ending.note_in_hand(true);
                // It may be settled in what follows, and the letter is before it.
                poll_fn(|context| poll_letter(letter, settler, progress, context)).await?;
            }
            let record = match step {
                Step::BatchEnded => return Ok(()),
                Step::Stopped => return Err(NotSettled::Stopped),
                Step::Left(left) => return Err(left),
                Step::Settle(record) => {
                    settler.settle(record, slot).await?;
                    record
                }
                Step::Apply(direct, ended, limit) => {
                    if !is_failure(&ended) {
                        settler.apply(direct, ended, limit, slot).await?;
                    } else if let Some(settling) =
                        fail(settler, (&batch, turn.index), direct, (ended, limit), slot).await?
                    {
                        *letter = Some(Letter::new(settling, direct.record.offset));
                        turn.index += 1;
                        continue;
                    }
                    direct.record
                }
            };
            turn.is_settled(record, progress);
        }
    }
}

fn poll_letter(
    letter: &mut Option<Letter>,
    settler: &Settler,
    progress: &Progress,
    context: &mut Context<'_>,
) -> Poll<Settled> {
    let Some(open) = letter else { return Poll::Ready(Ok(())) };
    let settled = ready!(open.poll(settler, progress, context));
    *letter = None;
    Poll::Ready(settled)
}

/// Whether an attempt ended so that its record may be dead-lettered.
fn is_failure(ended: &handler::Ended) -> bool {
    matches!(ended.result, Ok(Outcome::Failed(_)) | Err(_))
}

/// Does what a failed attempt asks for. Gives back what remains once the record's dead letter is on its way.
async fn fail(
    settler: &Arc<Settler>,
    (batch, index): (&Arc<OpenBatch>, usize),
    direct: Direct<'_>,
    (ended, limit): (handler::Ended, TimeLimit),
    slot: &Arc<Slot>,
) -> Settled<Option<Settling>> {
    let (batch, route, name) = (Arc::clone(batch), Arc::clone(direct.route), direct.name);
    let (of, slot) = (Arc::clone(settler), Arc::clone(slot));
    let mut settling: Settling = Box::pin(async move {
        let Some(record) = batch.records.get(index) else { return Ok(()) };
        let event = name.text(record.value.unwrap_or_default()).unwrap_or_default();
        of.apply(Direct { record, route: &route, event, name }, ended, limit, &slot).await
    });
    let polled = poll_fn(|context| match settling.as_mut().poll(context) {
        Poll::Pending if !settler.is_letter_on_its_way() => Poll::Pending,
        polled => Poll::Ready(polled),
    });
    match polled.await {
        Poll::Ready(settled) => settled.map(|()| None),
        Poll::Pending => Ok(Some(settling)),
    }
}

impl<'b> Turn<'b> {
    fn poll(
        &mut self,
        settler: &'b Settler,
        progress: &Progress,
        (slot, left_in_poll): (&Slot, &mut u32),
        loops: &mut [LoopSlot],
        letter: &mut Option<Letter>,
        context: &mut Context<'_>,
    ) -> Poll<Step<'b>> {
        if letter.is_some()
            && let Poll::Ready(Err(left)) = poll_letter(letter, settler, progress, context)
        {
            return Poll::Ready(Step::Left(left));
        }
        loop {
            let (direct, next) = match self.running {
                Some(direct) => (direct, None),
                None => {
                    let Some(record) = self.batch.records.get(self.index) else {
                        return Poll::Ready(Step::BatchEnded);
                    };
                    if settler.is_told_to_stop() {
                        return Poll::Ready(Step::Stopped);
                    }
                    if *left_in_poll == 0 {
                        // It wakes the lane when the others had their turn.
                        let _ = pin!(yield_now()).poll(context);
                        return Poll::Pending;
                    }
                    if letter.as_ref().is_some_and(|letter| !letter.has_room(settler)) {
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
            if let Some(letter) = letter {
                let (batch, route) = (Arc::clone(self.batch), Arc::clone(direct.route));
                letter.push(Handled { batch, index: self.index, route, name: direct.name });
                self.index += 1;
                continue;
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
