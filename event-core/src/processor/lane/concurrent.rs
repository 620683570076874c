//! Side by side what may run side by side.
//!
//! The lane alone decides what starts and writes down what has ended; each call of a handler is a
//! task, because handlers may use a processor each. A record that fails leaves its task until its
//! delay is over, so that waiting takes no place of another.

mod held;
mod starting;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use rustc_hash::{FxHashMap, FxHasher};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep_until};

use super::call::{Returned, Shared, judge};
use super::{Ended, Ending, Incoming, LaneFailure, Progress, ended};
use crate::delivery::{Offset, RecordRef, Remembered};
use crate::handler::Order;
use crate::observe::SkipReason;
use crate::processor::agenda::{Agenda, HandlerIndex, Place, Rule};
use crate::processor::gate::Entry;
use crate::processor::settle::{Attempted, Job, Read, Settler};
use crate::processor::tracker::Sequence;

/// How many records that are not settled a lane holds at most.
const MAX_OPEN: usize = 1 << 16;
/// What no handler is to have is dealt with under this number.
const NO_HANDLER: HandlerIndex = HandlerIndex::MAX;
const NO_HANDLER_RULE: Rule = Rule { concurrency: 16, batch: None };

/// A record that is not settled.
struct Ticket {
    shared: Arc<Shared>,
    index: usize,
    /// `None` while a call has it, and for a record that no handler is to have.
    job: Option<Job>,
    is_running: bool,
}

struct Concurrent {
    settler: Arc<Settler>,
    progress: Arc<Progress>,
    agenda: Agenda,
    tickets: FxHashMap<Sequence, Ticket>,
    backlog: VecDeque<Incoming>,
    /// The batch that is being taken in, and the next record of it.
    current: Option<(Arc<Shared>, usize)>,
    calls: JoinSet<Returned>,
    delayed: BinaryHeap<Reverse<(Instant, Sequence)>>,
    /// Until when the next record of a retry topic waits.
    not_before: Option<Instant>,
    /// When that record was first looked at.
    looked_at: Option<(Offset, Instant)>,
    /// Batches of which something is done, and nothing was running when that was noted.
    resting: Vec<Weak<Shared>>,
    /// Whether a call has ended since the last turn.
    has_place: bool,
    /// When a handler that is shut may be asked again.
    opens: Option<Instant>,
    started_at: Instant,
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
    let mut lane = Concurrent::new(Arc::clone(&settler), progress);
    let mut ended = Ok(());
    while ended.is_ok() {
        // Before handlers are asked whether they are shut, so that no change in between is missed.
        let changed = settler.engine.gates();
        ended = lane.take_in().await;
        if ended.is_err() {
            break;
        }
        lane.start();
        ending.note_in_hand(!lane.calls.is_empty());
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
            Some(returned) = lane.calls.join_next() => {
                ended = lane.returned(returned);
                // All that have ended meanwhile, so that a turn is not for one record.
                while let Some(returned) = lane.calls.try_join_next() {
                    ended = ended.and(lane.returned(returned));
                }
            }
            next = incoming.recv(), if lane.has_room() => match next {
                Some(next) => lane.backlog.push_back(next),
                None => break,
            },
            () = changed => {}
            () = timer => {}
        }
    }
    settler.engine.count_left(lane.waiting());
    if let Err(failure) = std::mem::replace(&mut ended, Ok(())) {
        failed(failure);
    }
    // Also after a failure: what is in hand ends, and what has ended is written down, until the time
    // that all lanes have is over.
    loop {
        tokio::select! {
            biased;
            returned = lane.calls.join_next() => match returned {
                Some(returned) => ended = ended.and(lane.returned(returned)),
                None => {
                    ending.note_in_hand(false);
                    return ended;
                }
            },
            () = ending.cut.notified() => break,
        }
    }
    // Those that have ended in this moment still count.
    lane.calls.abort_all();
    let mut leaves = false;
    while let Some(returned) = lane.calls.join_next().await {
        match returned {
            Ok(mut returned) => {
                leaves |= !returned.unjudged.is_empty();
                returned.unjudged.clear();
                ended = ended.and(lane.returned(Ok(returned)));
            }
            Err(_) => leaves = true,
        }
    }
    ending.note_in_hand(leaves);
    ended
}

impl Concurrent {
    fn new(settler: Arc<Settler>, progress: Arc<Progress>) -> Self {
        Concurrent {
            settler,
            progress,
            agenda: Agenda::default(),
            tickets: FxHashMap::default(),
            backlog: VecDeque::new(),
            current: None,
            calls: JoinSet::new(),
            delayed: BinaryHeap::new(),
            not_before: None,
            looked_at: None,
            resting: Vec::new(),
            has_place: false,
            opens: None,
            started_at: Instant::now(),
        }
    }

    /// Whether another batch is taken. What waits here is bounded by the bytes that the consumer
    /// hands over.
    fn has_room(&self) -> bool {
        self.backlog.is_empty() && self.current.is_none()
    }

    fn is_full(&self) -> bool {
        self.agenda.len() >= MAX_OPEN
            || self.progress.track(|tracker| tracker.is_full()) == Some(true)
    }

    /// Takes records in as far as there is room and they are due.
    async fn take_in(&mut self) -> Ended {
        self.not_before = None;
        let mut settled_here = 0;
        while !self.is_full() {
            let (shared, index) = match self.current.take() {
                Some(current) => current,
                None => match self.backlog.pop_front() {
                    Some(Incoming::Records(batch)) => {
                        self.settler.received(&batch);
                        (Arc::new(Shared::new(batch)), 0)
                    }
                    Some(Incoming::Passed(next)) => {
                        self.progress.passed(next);
                        continue;
                    }
                    None => break,
                },
            };
            let Some(record) = shared.batch.get(index) else {
                self.note_rest(&shared);
                continue;
            };
            if let Some((wait, at_most)) = self.settler.wait_of(record) {
                let now = Instant::now();
                let looked_at = match self.looked_at {
                    Some((offset, at)) if offset == record.offset => at,
                    _ => now,
                };
                self.looked_at = Some((record.offset, looked_at));
                let until = (looked_at + at_most).min(now + wait.min(at_most));
                if until > now {
                    self.not_before = Some(until);
                    self.current = Some((shared, index));
                    break;
                }
            }
            let (shared, settled) = self.admit(shared, index)?;
            settled_here += settled;
            self.current = Some((shared, index + 1));
            // Records that are skipped are waited for nowhere else.
            consume_budget().await;
        }
        if settled_here > 0 {
            self.settler.engine.count_settled(settled_here);
        }
        Ok(())
    }

    /// Takes one record in; gives back how many were settled by that.
    fn admit(
        &mut self,
        mut shared: Arc<Shared>,
        index: usize,
    ) -> Result<(Arc<Shared>, u64), LaneFailure> {
        let Some(record) = shared.batch.get(index) else { return Ok((shared, 0)) };
        let offset = record.offset;
        let stamp = record.stamp();
        let remembered = self.progress.track(|tracker| tracker.judge(stamp));
        let read = match remembered {
            Some(Remembered::Settled) => {
                self.settler.skip(offset, &self.settler.partition, SkipReason::SettledBefore);
                Read::Skip
            }
            Some(Remembered::OfAnotherLog) => {
                self.settler.log_changed(offset);
                self.settler.read(record)
            }
            Some(Remembered::No) | None => self.settler.read(record),
        };
        if let Read::Stop(name) = read {
            return Err(LaneFailure::UnknownEvent(offset, name));
        }
        let place = self.place(&read, record);
        let sequence = self.progress.track(|tracker| tracker.deliver(stamp));
        let Some(sequence) = sequence else { return Ok((shared, 0)) };
        let (handler, rule, job) = match read {
            Read::Skip | Read::Stop(_) => {
                self.progress.track(|tracker| tracker.settle(sequence));
                return Ok((shared, 1));
            }
            Read::Refuse { .. } => (NO_HANDLER, NO_HANDLER_RULE, None),
            Read::Handle(job) => {
                let policy = self.settler.engine.policy_of(&job.route);
                let rule = Rule {
                    concurrency: policy.concurrency,
                    batch: policy.batch.map(|batch| {
                        (usize::try_from(batch.max).unwrap_or(usize::MAX).max(1), batch.wait)
                    }),
                };
                (job.route.index, rule, Some(job))
            }
        };
        if let Some(shared) = Arc::get_mut(&mut shared) {
            shared.first.get_or_insert(sequence);
        }
        shared.open.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket { shared: Arc::clone(&shared), index, job, is_running: false };
        self.tickets.insert(sequence, ticket);
        self.agenda.admit(sequence, (handler, rule), place, Instant::now());
        Ok((shared, 0))
    }

    /// What a record has to wait for. Those that come back to be tried again have left their order.
    fn place(&self, read: &Read, record: RecordRef<'_>) -> Place {
        match read {
            Read::Handle(job) if !job.has_returned => {
                match (job.route.handler.options.order, record.key) {
                    (Order::Partition, _) => Place::Partition,
                    (Order::Key, Some(key)) => {
                        let mut hasher = FxHasher::default();
                        key.hash(&mut hasher);
                        Place::Key(hasher.finish())
                    }
                    (Order::Key, None) | (Order::None, _) => Place::Free,
                }
            }
            _ => Place::Free,
        }
    }

    /// Writes down what a call has done.
    fn returned(&mut self, returned: Result<Returned, tokio::task::JoinError>) -> Ended {
        let Ok(Returned { handler, records, unjudged }) = returned else {
            return Err(LaneFailure::Panicked);
        };
        if let Some(handler) = handler {
            self.agenda.returned(handler);
            self.has_place = true;
        }
        for unjudged in unjudged {
            self.calls.spawn(judge(Arc::clone(&self.settler), unjudged));
        }
        let now = Instant::now();
        let mut settled = 0;
        let mut result = Ok(());
        for (sequence, job, outcome) in records {
            match outcome {
                Ok(Attempted::Settled) => {
                    self.progress.track(|tracker| tracker.settle(sequence));
                    self.agenda.finish(sequence, now);
                    self.forget(sequence);
                    settled += 1;
                }
                Ok(Attempted::Again(delay)) => {
                    self.take_back(sequence, job);
                    if delay.is_zero() {
                        self.agenda.again(sequence);
                    } else {
                        self.delayed.push(Reverse((now + delay, sequence)));
                    }
                }
                // Not the last word: the others of the call may be settled.
                Err(left) => result = result.and(ended(left)),
            }
        }
        self.settler.engine.count_settled(settled);
        result
    }

    /// How many records wait for their next attempt, or for a handler that is shut.
    fn waiting(&self) -> u64 {
        let waits = |job: &Job| {
            job.trial.has_failed()
                || self.settler.engine.handler(&job.route).gate.look() != Entry::Open
        };
        let jobs = self.tickets.values().filter_map(|ticket| ticket.job.as_ref());
        jobs.filter(|job| waits(job)).map(|_| 1).sum()
    }
}

#[cfg(test)]
mod tests;
