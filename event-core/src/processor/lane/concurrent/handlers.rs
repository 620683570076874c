//! What a lane knows of the handlers of its records.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::MAX_OPEN;
use super::scheduler::{HandlerIndex, HandlerLimits};
use super::work::Pace;
use crate::delivery::RecordRef;
use crate::event::NameAt;
use crate::handler::Order;
use crate::processor::attempt::TimeLimit;
use crate::processor::concurrency::Permits;
use crate::processor::engine::Engine;
use crate::processor::loops::LoopSlot;
use crate::router::Route;

/// How many loops of a handler that wait for a record a lane keeps.
const MAX_IDLE_LOOPS: usize = 64;

/// The number of those records that no handler is to have.
pub(super) const NO_HANDLER: HandlerIndex = 0;
const NO_HANDLER_LIMITS: HandlerLimits = HandlerLimits { concurrency: 16, batch: None };

/// From how long a poll on is no matter for the lane itself: others wait there.
const LONG: Duration = Duration::from_micros(100);
/// How many calls go by between two that are timed.
const TIMED: u32 = 16;
/// From how many calls in a row on that were not done at once the next is a task from the beginning.
const WAITS: u8 = 8;

/// The handlers of a lane, numbered from 1 on as their first records come.
pub(super) struct Handlers {
    /// By the number of the route; 0 for one without a record so far.
    numbers: Vec<u32>,
    known: Vec<LaneHandler>,
}

/// One handler in a lane.
pub(super) struct LaneHandler {
    pub(super) route: Arc<Route>,
    pub(super) limits: HandlerLimits,
    order: Order,
    /// Whether an attempt needs no more than to poll its loop.
    pub(super) is_direct: bool,
    /// How many attempts a record has that fails always.
    pub(super) attempts: u32,
    /// How long an attempt may take.
    timeout: Option<Duration>,
    /// Loops that wait for a record.
    pub(super) loops: Vec<LoopSlot>,
    calls: u32,
    /// How many calls were not done at once lately.
    waiting: u8,
    is_long: bool,
}

impl Handlers {
    pub(super) fn new(engine: &Engine) -> Self {
        Handlers { numbers: vec![0; engine.handler_ids().len()], known: Vec::new() }
    }

    /// The number of a handler.
    pub(super) fn number(&mut self, engine: &Engine, route: &Arc<Route>) -> HandlerIndex {
        match self.numbers.get(route.index) {
            Some(0) | None => self.add(engine, route),
            Some(number) => *number as usize,
        }
    }

    #[cold]
    fn add(&mut self, engine: &Engine, route: &Arc<Route>) -> HandlerIndex {
        self.known.push(LaneHandler::new(engine, route));
        let number = self.known.len();
        if let Some(known) = self.numbers.get_mut(route.index) {
            *known = u32::try_from(number).unwrap_or_default();
        }
        number
    }

    pub(super) fn limits(&self, number: HandlerIndex) -> HandlerLimits {
        self.get(number).map_or(NO_HANDLER_LIMITS, |handler| handler.limits)
    }

    pub(super) fn get(&self, number: HandlerIndex) -> Option<&LaneHandler> {
        self.known.get(number.checked_sub(1)?)
    }

    pub(super) fn get_mut(&mut self, number: HandlerIndex) -> Option<&mut LaneHandler> {
        self.known.get_mut(number.checked_sub(1)?)
    }
}

impl LaneHandler {
    fn new(engine: &Engine, route: &Arc<Route>) -> Self {
        let handler = engine.handler(route);
        let batch = handler.policy.batch;
        let batch = batch
            .map(|batch| (usize::try_from(batch.max).unwrap_or(usize::MAX).max(1), batch.wait));
        LaneHandler {
            route: Arc::clone(route),
            limits: HandlerLimits { concurrency: handler.policy.concurrency, batch },
            order: handler.policy.order,
            is_direct: handler.is_direct,
            attempts: handler.policy.all_attempts(),
            timeout: handler.policy.timeout,
            loops: Vec::new(),
            calls: 0,
            waiting: 0,
            is_long: false,
        }
    }

    pub(super) fn takes_batches(&self) -> bool {
        self.limits.batch.is_some()
    }

    /// What a record of it is called, where that is to be found without reading it: at `name`, or as its first key.
    pub(super) fn event_of<'r>(
        &self,
        name: Option<NameAt>,
        record: RecordRef<'r>,
    ) -> Option<&'r str> {
        let value = record.value?;
        let is_event = !self.route.handler.takes_any_value();
        let name = name.or_else(|| is_event.then(|| NameAt::of(value)).flatten());
        name?.text(value)
    }

    /// When an attempt that begins now has to end.
    pub(super) fn limit(&self) -> TimeLimit {
        self.timeout.map(|limit| (limit, Instant::now() + limit))
    }

    /// How many of its records may go straight to it together, as long as no others are in flight; `None` when
    /// none may.
    pub(super) fn straight_max(&self) -> Option<usize> {
        let goes_straight = self.is_direct && self.order == Order::Partition && !self.is_spawned();
        let max = self.limits.batch.map_or(1, |(max, _)| max.min(MAX_OPEN));
        goes_straight.then_some(max)
    }

    /// Whether its next call is a task from the beginning: it waits mostly, or it computes for so long that
    /// other threads are to have a part.
    pub(super) fn is_spawned(&self) -> bool {
        self.is_long || self.waiting >= WAITS
    }

    /// Whether its next call on the lane is timed: the clock is not read for each.
    pub(super) fn is_timed(&mut self) -> bool {
        let is_timed = self.calls.is_multiple_of(TIMED);
        self.calls = self.calls.wrapping_add(1);
        is_timed
    }

    /// Keeps a loop for another record, unless there are many after a burst: each has the room of its handler's
    /// whole future.
    pub(super) fn keep(&mut self, work: LoopSlot) {
        if self.loops.len() < MAX_IDLE_LOOPS {
            self.loops.push(work);
        }
    }

    /// A call on the lane was done at once.
    pub(super) fn was_done(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// A call on the lane was not done at once.
    pub(super) fn was_waiting(&mut self) {
        self.waiting = (self.waiting + 2).min(2 * WAITS);
    }

    /// A call on the lane that was timed took so long.
    pub(super) fn took(&mut self, longest: Duration) {
        self.is_long = self.is_long_for_others(longest);
    }

    // What keeps the order of the partition has the lane for itself: nothing waits for it beside.
    fn is_long_for_others(&self, longest: Duration) -> bool {
        self.order != Order::Partition && longest > LONG
    }

    /// A task has made its call.
    pub(super) fn was_spawned(&mut self, pace: Pace) {
        self.is_long = self.is_long_for_others(pace.longest);
        if pace.at_once {
            self.was_done();
        }
    }
}

/// The handlers that wait until one more call of them may run.
#[derive(Default)]
pub(super) struct PermitQueue {
    waiting: Vec<(HandlerIndex, Waiting)>,
    granted: Vec<(HandlerIndex, Permits)>,
}

type Waiting = Pin<Box<dyn Future<Output = Option<Permits>> + Send>>;

impl PermitQueue {
    /// Whether a handler waits.
    pub(super) fn has(&self, handler: HandlerIndex) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == handler)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The permits of a call, or waits for them.
    pub(super) fn take(
        &mut self,
        engine: &Engine,
        handler: HandlerIndex,
        route: &Route,
    ) -> Option<Permits> {
        if let Some(granted) = self.granted.iter().position(|(granted, _)| *granted == handler) {
            return Some(self.granted.swap_remove(granted).1);
        }
        let own = &engine.handler(route).calls;
        let permits = engine.concurrency.try_permits(own);
        if permits.is_none() {
            self.waiting.push((handler, Box::pin(engine.concurrency.permits(own))));
        }
        permits
    }

    /// Gives back what nobody needed.
    pub(super) fn give_back(&mut self) {
        self.granted.clear();
    }

    /// Stops waiting.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.granted.clear();
    }

    /// Waits until one of them may run.
    pub(super) async fn granted(&mut self) {
        poll_fn(|context| match self.poll(context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Looks whether one of them may run, without waiting for it.
    pub(super) async fn look(&mut self) {
        poll_fn(|context| Poll::Ready(self.poll(context))).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let mut index = 0;
        while let Some((handler, waiting)) = self.waiting.get_mut(index) {
            match waiting.as_mut().poll(context) {
                Poll::Ready(permits) => {
                    let handler = *handler;
                    drop(self.waiting.swap_remove(index));
                    self.granted.extend(permits.map(|permits| (handler, permits)));
                }
                Poll::Pending => index += 1,
            }
        }
        !self.granted.is_empty()
    }
}
