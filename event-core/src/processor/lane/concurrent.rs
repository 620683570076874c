//! Runs records of one partition concurrently where ordering allows.
//!
//! The lane alone decides what starts and writes down what has ended. It polls each call of a handler
//! once, here and now, because most are done then; only one that waits, or whose handler computes for
//! long, goes on as a task. A record that fails leaves its call until its delay is over, so that waiting
//! takes no place of another.

mod admission;
mod batch_calls;
mod batches;
mod calls;
mod handlers;
mod record;
mod results;
mod scheduler;
mod straight;
mod work;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

use super::{Ended, Ending, Incoming, LaneFailure, Progress};
use crate::delivery::{Offset, Remembered};
use crate::processor::gate::Entry;
use crate::processor::settle::Settler;
use crate::processor::tracker::Sequence;
use crate::processor::watch::Slot;
use batches::OpenBatches;
use handlers::{Handlers, PermitQueue};
use record::InFlight;
use scheduler::{RecordId, Scheduler};
use straight::Run;
use work::Done;

/// How many records that are not settled a lane holds at most.
const MAX_OPEN: usize = 1 << 16;
/// For how long a batch may wait to be filled while the records that it waits with are retained together.
const FILLS_SOON: Duration = Duration::from_secs(1);
/// How many records a lane takes in, and how many it starts, before others may use its thread.
const RECORDS_A_TURN: usize = 128;

struct Concurrent {
    settler: Arc<Settler>,
    progress: Arc<Progress>,
    ending: Arc<Ending>,
    scheduler: Scheduler<InFlight>,
    handlers: Handlers,
    batches: OpenBatches,
    backlog: VecDeque<Incoming>,
    /// The batch that is being taken in, and the next record of it.
    current: Option<(usize, usize)>,
    /// Records that go straight to their handler.
    run: Run,
    may_go_straight: bool,
    /// Whether some of what is delivered next may be settled already.
    remembers: bool,
    tasks: JoinSet<Done>,
    permits: PermitQueue,
    delayed: BinaryHeap<Reverse<(Instant, Sequence, RecordId)>>,
    /// Until when the next record of a retry topic waits.
    not_before: Option<Instant>,
    /// When that record was first looked at.
    looked_at: Option<(Offset, Instant)>,
    /// Batches of which something is done, and nothing was running when that was noted.
    resting: Vec<usize>,
    /// Whether a call has ended since the last turn.
    has_place: bool,
    /// Whether the calls of this turn did all that tokio lets a task do before it yields.
    lacks_budget: bool,
    /// When a handler that is shut may be asked again.
    opens: Option<Instant>,
    /// When the turn began, or something ended last.
    now: Instant,
    /// How many records were taken in or started since others had the thread.
    worked: usize,
    /// How many records were settled and not yet counted.
    settled: u64,
    /// Shows what the lane itself polls.
    slot: Arc<Slot>,
    /// Why the lane does not go on.
    failed: Ended,
    /// The records of the next call, until it is made; and those that are taken in.
    next_call: Vec<RecordId>,
    delivered: Vec<(Sequence, Remembered)>,
}

pub(super) async fn run(
    mut incoming: mpsc::UnboundedReceiver<Incoming>,
    settler: Settler,
    progress: Arc<Progress>,
    mut stopped: watch::Receiver<bool>,
    ending: Arc<Ending>,
    failed: impl Fn(LaneFailure),
) -> Ended {
    let settler = Arc::new(settler);
    let mut lane = Concurrent::new(Arc::clone(&settler), progress, Arc::clone(&ending));
    while lane.failed.is_ok() && !settler.is_stop_requested() {
        // Before handlers are asked whether they are shut, so that no change in between is missed.
        let changed = settler.engine.gates();
        if lane.backlog.is_empty() {
            match incoming.try_recv() {
                Ok(next) => lane.backlog.push_back(next),
                // What goes straight waits for others like all records do.
                Err(_) if lane.current.is_none() => lane.deliver_run(),
                Err(_) => {}
            }
        }
        let has_more = lane.turn();
        if lane.failed.is_err() {
            break;
        }
        if has_more || lane.worked >= RECORDS_A_TURN {
            lane.worked = 0;
            yield_now().await;
            // A handler that waits for a place has its turn although others keep the lane busy; after the yield,
            // because what they do may use up all that the task may do in a turn.
            lane.permits.look().await;
            lane.take_results();
            continue;
        }
        let wake = lane.wakes_at();
        let timer = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => break,
            Some(done) = lane.tasks.join_next() => {
                lane.result(done);
                // All that have ended meanwhile, so that a turn is not for one record.
                lane.take_results();
            }
            () = lane.permits.granted() => {}
            next = incoming.recv(), if lane.has_room() => match next {
                Some(next) => lane.backlog.push_back(next),
                None => break,
            },
            () = changed => {}
            () = timer => {}
        }
    }
    lane.permits.clear();
    lane.deliver_run();
    lane.write_down();
    settler.engine.count_left(lane.waiting());
    let mut ended = Ok(());
    if let Err(failure) = std::mem::replace(&mut lane.failed, Ok(())) {
        failed(failure);
    }
    // Also after a failure: what is in flight ends, and what has ended is written down, until the time
    // that all lanes have is over.
    loop {
        tokio::select! {
            biased;
            done = lane.tasks.join_next() => match done {
                Some(done) => {
                    lane.result(done);
                    lane.write_down();
                    ended = ended.and(std::mem::replace(&mut lane.failed, Ok(())));
                }
                None => {
                    ending.note_in_flight(false);
                    return ended;
                }
            },
            () = ending.cut.notified() => break,
        }
    }
    // Those that have ended in this moment still count.
    lane.tasks.abort_all();
    let mut leaves = false;
    while let Some(done) = lane.tasks.join_next().await {
        leaves |= lane.last_result(done);
    }
    lane.write_down();
    ending.note_in_flight(leaves);
    ended.and(lane.failed)
}

impl Concurrent {
    fn new(settler: Arc<Settler>, progress: Arc<Progress>, ending: Arc<Ending>) -> Self {
        let may_go_straight = settler.has_order_of_partition();
        Concurrent {
            handlers: Handlers::new(&settler.engine),
            slot: settler.engine.watch.slot(&settler.partition),
            settler,
            progress,
            ending,
            scheduler: Scheduler::new(),
            batches: OpenBatches::default(),
            backlog: VecDeque::new(),
            current: None,
            run: Run::default(),
            may_go_straight,
            remembers: true,
            tasks: JoinSet::new(),
            permits: PermitQueue::default(),
            delayed: BinaryHeap::new(),
            not_before: None,
            looked_at: None,
            resting: Vec::new(),
            has_place: false,
            lacks_budget: false,
            opens: None,
            now: Instant::now(),
            worked: 0,
            settled: 0,
            failed: Ok(()),
            next_call: Vec::new(),
            delivered: Vec::new(),
        }
    }

    /// Takes records in and starts what may be started; whether there is more to do at once.
    fn turn(&mut self) -> bool {
        self.now = Instant::now();
        let takes_more = self.take_in();
        let starts_more = self.failed.is_ok() && self.start();
        self.write_down();
        self.ending.note_in_flight(!self.tasks.is_empty());
        if !starts_more {
            self.permits.give_back();
        }
        takes_more || starts_more
    }

    /// Writes down what is settled, for the next commit.
    fn write_down(&mut self) {
        self.progress.fold();
        if self.settled > 0 {
            self.settler.engine.count_settled(std::mem::take(&mut self.settled));
        }
    }

    /// Whether another batch is taken. What waits here is bounded by the bytes that the consumer
    /// hands over.
    fn has_room(&self) -> bool {
        self.backlog.is_empty() && self.current.is_none()
    }

    /// When there is something to do although nothing happens.
    fn wakes_at(&self) -> Option<Instant> {
        let delayed = self.delayed.peek().map(|Reverse((at, ..))| *at);
        // What was due when the turn began waits for something else.
        let flush = self.scheduler.next_flush(self.now);
        let times = [delayed, self.not_before, flush, self.opens];
        times.into_iter().flatten().min()
    }

    /// How many records wait for their next attempt, or for a handler that is shut.
    fn waiting(&self) -> u64 {
        let waits = |handler, record: &InFlight| {
            let Some(handler) = self.handlers.get(handler) else { return false };
            let has_failed = record.job.as_ref().is_some_and(|job| job.attempt_state.has_failed());
            has_failed || self.settler.engine.handler(&handler.route).gate.look() != Entry::Open
        };
        let waiting = self.scheduler.iter();
        let waiting = waiting.filter(|(handler, it)| !it.is_running && waits(*handler, it));
        waiting.map(|_| 1).sum()
    }
}

#[cfg(test)]
mod tests;
