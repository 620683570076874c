//! Side by side what may run side by side.
//!
//! The lane alone decides what starts and writes down what has ended; each call of a handler is a
//! task, because handlers may use a processor each. A record that fails leaves its task until its
//! delay is over, so that waiting takes no place of another.

mod held;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::{FxHashMap, FxHasher};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::held::MAX_KEPT_BYTES;
use super::call::{Returned, Shared, call, judge};
use super::{Ended, Ending, LaneFailure, Progress, ended};
use crate::delivery::{Offset, RecordBatch, RecordRef};
use crate::handler::Order;
use crate::observe::SkipReason;
use crate::processor::agenda::{Agenda, Call, HandlerIndex, Place, Rule};
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
    kept_bytes: usize,
}

struct Concurrent {
    settler: Arc<Settler>,
    progress: Arc<Progress>,
    agenda: Agenda,
    tickets: FxHashMap<Sequence, Ticket>,
    backlog: VecDeque<RecordBatch>,
    /// The batch that is being taken in, and the next record of it.
    current: Option<(Arc<Shared>, usize)>,
    calls: JoinSet<Returned>,
    delayed: BinaryHeap<Reverse<(Instant, Sequence)>>,
    /// Until when the next record of a retry topic waits.
    not_before: Option<Instant>,
    /// When that record was first looked at.
    looked_at: Option<(Offset, Instant)>,
    kept_bytes: usize,
    /// When a handler that is shut may be asked again.
    opens: Option<Instant>,
    started_at: Instant,
}

pub(super) async fn run(
    mut incoming: mpsc::UnboundedReceiver<RecordBatch>,
    settler: Settler,
    progress: Arc<Progress>,
    mut stopped: watch::Receiver<bool>,
    ending: Arc<Ending>,
) -> Ended {
    let settler = Arc::new(settler);
    let mut lane = Concurrent {
        settler: Arc::clone(&settler),
        progress,
        agenda: Agenda::default(),
        tickets: FxHashMap::default(),
        backlog: VecDeque::new(),
        current: None,
        calls: JoinSet::new(),
        delayed: BinaryHeap::new(),
        not_before: None,
        looked_at: None,
        kept_bytes: 0,
        opens: None,
        started_at: Instant::now(),
    };
    let mut ended = Ok(());
    while ended.is_ok() {
        // Before handlers are asked whether they are shut, so that no change in between is missed.
        let changed = settler.engine.gates();
        ended = lane.take_in();
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
            batch = incoming.recv(), if lane.has_room() => match batch {
                Some(batch) => lane.backlog.push_back(batch),
                None => break,
            },
            () = changed => {}
            () = timer => lane.wake(),
        }
    }
    // Also after a failure: what is in hand ends, and what has ended is written down. Nobody hears of
    // a failure before, so that nobody else would cut short what does not end.
    let has_failed = ended.is_err();
    let deadline = Instant::now() + settler.engine.policy.drain_deadline;
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
            () = sleep_until(deadline), if has_failed => break,
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
    /// Whether another batch is taken. What waits here is bounded by the bytes that the consumer
    /// hands over, as long as it is not taken out of its batch.
    fn has_room(&self) -> bool {
        self.backlog.is_empty() && self.current.is_none()
    }

    fn is_full(&self) -> bool {
        self.agenda.len() >= MAX_OPEN
            || self.kept_bytes >= MAX_KEPT_BYTES
            || self.progress.track(|tracker| tracker.is_full()) == Some(true)
    }

    /// Takes records in as far as there is room and they are due.
    fn take_in(&mut self) -> Ended {
        self.not_before = None;
        let mut settled_here = 0;
        while !self.is_full() {
            let (shared, index) = match self.current.take() {
                Some(current) => current,
                None => match self.backlog.pop_front() {
                    Some(batch) => (Arc::new(Shared::new(batch)), 0),
                    None => break,
                },
            };
            let Some(record) = shared.batch.get(index) else { continue };
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
        let is_remembered = self.progress.track(|tracker| tracker.is_remembered(offset));
        let read = if is_remembered == Some(true) {
            self.settler.skip(offset, &self.settler.partition, SkipReason::SettledBefore);
            Read::Skip
        } else {
            self.settler.read(record)
        };
        if let Read::Stop(name) = read {
            return Err(LaneFailure::UnknownEvent(offset, name));
        }
        let place = self.place(&read, record);
        let sequence = self.progress.track(|tracker| tracker.deliver(offset));
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
        let ticket =
            Ticket { shared: Arc::clone(&shared), index, job, is_running: false, kept_bytes: 0 };
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

    /// Starts every call that may be made now.
    fn start(&mut self) {
        let now = Instant::now();
        self.started_at = now;
        self.opens = None;
        loop {
            let (settler, opens) = (&self.settler, std::cell::Cell::new(self.opens));
            let is_open = |handler: HandlerIndex| {
                if handler == NO_HANDLER {
                    return true;
                }
                match settler.engine.handler_at(handler).gate.look() {
                    Entry::Open => true,
                    Entry::NotBefore(at) => {
                        opens.set(Some(opens.get().map_or(at, |earlier| earlier.min(at))));
                        false
                    }
                    Entry::Shut => false,
                }
            };
            let call = self.agenda.start(now, is_open);
            self.opens = opens.get();
            let Some(call) = call else { break };
            self.spawn(call);
        }
    }

    fn spawn(&mut self, Call { handler, records }: Call) {
        let mut taken = Vec::with_capacity(records.len());
        for sequence in records {
            if let Some(ticket) = self.tickets.get_mut(&sequence) {
                ticket.is_running = true;
                let shared = Arc::clone(&ticket.shared);
                taken.push((sequence, shared, ticket.index, ticket.job.take()));
            }
        }
        self.calls.spawn(call(Arc::clone(&self.settler), handler, taken));
    }

    /// Writes down what a call has done.
    fn returned(&mut self, returned: Result<Returned, tokio::task::JoinError>) -> Ended {
        let Ok(Returned { handler, records, unjudged }) = returned else {
            return Err(LaneFailure::Panicked);
        };
        if let Some(handler) = handler {
            self.agenda.returned(handler);
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
                    if let Some(ticket) = self.tickets.get_mut(&sequence) {
                        ticket.is_running = false;
                        ticket.job = job;
                    }
                    // Its batch may be held for it alone.
                    self.keep(sequence);
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

    /// When there is something to do although nothing happens.
    fn wakes_at(&self) -> Option<Instant> {
        let delayed = self.delayed.peek().map(|Reverse((at, _))| *at);
        // What was due when the calls were started waits for something else.
        let flush = self.agenda.next_flush(self.started_at);
        let times = [delayed, self.not_before, flush, self.opens];
        times.into_iter().flatten().min()
    }

    fn wake(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, sequence))) = self.delayed.peek().copied()
            && at <= now
        {
            self.delayed.pop();
            self.agenda.again(sequence);
        }
    }
}
