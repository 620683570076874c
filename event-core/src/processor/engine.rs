//! What the lanes of a processor share while it runs.
//!
//! # The states of a record
//!
//! Each consumer group of a service has an engine of its own: a consumer, lanes, offsets. They share the states,
//! the producer, how many calls may run at once (`max_concurrency`), and nothing else.
//!
//! A record is *delivered* when its lane takes it in. It is *waiting* while something before it in its order is not
//! settled, while its handler is shut (paused, or its breaker is open) or has no room, or until the time that a
//! retry topic gives it. It is *in flight* during an attempt. After an attempt that failed it is *delayed*, and keeps
//! its place; then it is in flight again. It ends *settled*: handled, skipped, or written elsewhere (dead-letter
//! topic, retry topic) with the write acknowledged. A record that is not settled when its assignment ends is
//! forgotten, and delivered again to the next owner.
//!
//! # Who owns what
//!
//! | | owned by | |
//! |---|---|---|
//! | the assignment, the pauses, the commits under way | the consumer thread | `broker::kafka` |
//! | which partition has which lane, the epoch of each | the processor's loop | `processor::lanes` |
//! | what is delivered, what may run, what is delayed | the lane's task, alone | `lane::{sequential, concurrent}`, `concurrent::scheduler` |
//! | what is settled | written by the lane, read at a commit | `lane::progress`: one number, or a `tracker` behind a lock |
//! | an attempt | the lane's task; a task of its own where it waits or computes for long, and records run side by side | `attempt`, `loops`, `concurrent::{straight, calls, batch_calls, work}` |
//! | the verdict on an attempt | whoever made it | `settle::apply_outcome` |
//! | breaker, pause and room of a handler | shared by all lanes of the group | `engine`, `breaker` |

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::EventProcessor;
use super::control::Paused;
use super::gate::{Entry, Gate};
use super::policy::DeliveryPolicy;
use super::watch::Watch;
use crate::broker::Progress;
use crate::event::TopicName;
use crate::extract::EnvelopeUse;
use crate::handler::{HandlerPolicy, Order};
use crate::observe::Observation;
use crate::router::{Purpose, Route, TopicRoutes};

/// The processor with what it learns while it runs.
pub(super) struct Engine {
    processor: EventProcessor,
    /// By the number of the route.
    handlers: Vec<HandlerState>,
    handler_ids: Arc<[Arc<str>]>,
    /// The topics whose records were on another topic before.
    derived_origins: FxHashMap<TopicName, (TopicName, Option<Duration>)>,
    /// Something that kept a handler shut has changed. It wakes all in the order in which they wait.
    gates: Notify,
    settled: Arc<AtomicU64>,
    pub(super) commit_due: Notify,
    pub(super) watch: Watch,
    /// How many records lanes that were asked to stop left waiting.
    left: AtomicU64,
}

/// What is known of a handler in this process.
pub(super) struct HandlerState {
    id: Arc<str>,
    /// Nothing cancels it.
    is_blocking: bool,
    /// Whether its first attempts need no more than to poll its loop, because nothing runs around it.
    pub(super) is_direct: bool,
    /// Whether an argument is made from the outer object, and so says whether the record is an event.
    pub(super) decodes: bool,
    pub(super) policy: HandlerPolicy,
    /// How many of its calls may run at once.
    pub(super) calls: Arc<Semaphore>,
    pub(super) gate: Gate,
}

/// Where the records of a partition come from.
#[derive(Clone)]
pub(super) enum Source {
    /// A topic that handlers listen to.
    Origin(Arc<TopicRoutes>),
    /// A topic of ours for records that were on `origin` before; those of a retry topic waited for
    /// `delay`.
    Derived { origin: TopicName, routes: Arc<TopicRoutes>, delay: Option<Duration> },
}

impl Deref for Engine {
    type Target = EventProcessor;

    fn deref(&self) -> &EventProcessor {
        &self.processor
    }
}

impl Engine {
    pub(super) fn new(processor: EventProcessor) -> Self {
        let routes = processor.router.routes();
        let handler_ids = routes.iter().map(|route| Arc::clone(&route.id)).collect();
        let handlers = routes.iter();
        let handlers = handlers.map(|route| HandlerState::new(route, &processor.policy)).collect();
        let derived = processor.router.derived_topics().filter_map(Result::ok);
        let derived_origins = derived.filter_map(|derived| match derived.purpose {
            Purpose::DeadLetters => None,
            Purpose::Redrive => Some((derived.topic, (derived.origin, None))),
            Purpose::Retry(delay) => Some((derived.topic, (derived.origin, Some(delay)))),
        });
        Engine {
            derived_origins: derived_origins.collect(),
            settled: processor.health.settled_counter(&processor.identity.group),
            processor,
            handlers,
            handler_ids,
            gates: Notify::new(),
            commit_due: Notify::new(),
            watch: Watch::new(),
            left: AtomicU64::new(0),
        }
    }

    pub(super) fn handler(&self, route: &Route) -> &HandlerState {
        self.handler_at(route.index)
    }

    pub(super) fn handler_at(&self, index: usize) -> &HandlerState {
        &self.handlers[index]
    }

    /// How the records of a handler are delivered.
    pub(super) fn policy_of(&self, route: &Route) -> &HandlerPolicy {
        &self.handler(route).policy
    }

    /// The ids of the handlers, by the numbers of their routes.
    pub(super) fn handler_ids(&self) -> &Arc<[Arc<str>]> {
        &self.handler_ids
    }

    /// The id of a handler, and whether it is `blocking`.
    pub(super) fn handler_named(&self, index: usize) -> Option<(&str, bool)> {
        self.handlers.get(index).map(|handler| (&*handler.id, handler.is_blocking))
    }

    /// Whether `topic` takes what a person redrives, so that it may be missing.
    pub(super) fn is_redrive(&self, topic: &str) -> bool {
        let of_topic = |(name, (_, delay)): (&TopicName, &(_, Option<Duration>))| {
            name.as_str() == topic && delay.is_none()
        };
        self.derived_origins.iter().any(of_topic)
    }

    pub(super) fn source(&self, topic: &TopicName) -> Source {
        // A topic that handlers listen to is never one of ours, even if its name looks so.
        let routes = self.router.topic(topic.as_str());
        match self.derived_origins.get(topic) {
            Some((origin, delay)) if routes.routes().next().is_none() => Source::Derived {
                origin: origin.clone(),
                routes: self.router.topic(origin.as_str()),
                delay: *delay,
            },
            _ => Source::Origin(routes),
        }
    }

    /// Counts settled records, and has them committed when there are many.
    pub(super) fn count_settled(&self, records: u64) {
        let before = self.settled.fetch_add(records, Ordering::Relaxed);
        let every = self.policy.commit_records.max(1);
        if before / every != (before + records) / every {
            self.commit_due.notify_one();
        }
    }

    /// Counts records that a lane leaves as they wait: for their next attempt, or for a handler that is
    /// paused or whose circuit breaker is open.
    pub(super) fn count_left(&self, records: u64) {
        self.left.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Reports what the broker has.
    pub(super) fn committed(&self, progress: &[Progress]) {
        for Progress { partition, epoch, next, .. } in progress {
            let (epoch, next) = (*epoch, *next);
            self.observers.notify(&Observation::Committed { partition, epoch, next });
        }
    }

    /// Comes to an end when a handler is shut or opened again after this call.
    pub(super) fn gates(&self) -> Notified<'_> {
        self.gates.notified()
    }

    /// An attempt of a handler did not fail.
    pub(super) fn attempt_succeeded(&self, route: &Route) {
        let closed = || self.health.breaker_closed(&self.identity.group, &route.id);
        if self.handler(route).gate.succeeded(closed) {
            self.observers.notify(&Observation::BreakerClosed { handler: &route.id });
            self.gates.notify_waiters();
        }
    }

    /// An attempt failed; `is_unavailable` when it found a dependency down.
    pub(super) fn attempt_failed(&self, route: &Route, is_unavailable: bool, error: &str) {
        let opened = || self.health.breaker_opened(&self.identity.group, &route.id, error);
        let gate = &self.handler(route).gate;
        if let Some(pause) = gate.failed(Instant::now(), is_unavailable, opened) {
            self.observers.notify(&Observation::BreakerOpened { handler: &route.id, pause, error });
            self.gates.notify_waiters();
        }
    }

    /// For how long the handler's breaker is open from now on; zero when it is closed.
    pub(super) fn shut_for(&self, route: &Route) -> Duration {
        match self.handler(route).gate.look() {
            Entry::NotBefore(at) => at.saturating_duration_since(Instant::now()),
            Entry::Open | Entry::Shut => Duration::ZERO,
        }
    }

    /// An attempt ended before the handler ran.
    pub(super) fn attempt_said_nothing(&self, route: &Route) {
        if self.handler(route).gate.undecided() {
            self.gates.notify_waiters();
        }
    }

    /// Pauses and resumes handlers as they are asked to.
    pub(super) fn pause(&self, paused: &Paused) {
        for route in self.router.routes() {
            let pause =
                paused.handlers.contains(&*route.id) || paused.topics.contains(route.handler.topic);
            if self.handler(&route).gate.pause(pause) {
                let handler = &route.id;
                self.observers.notify(&if pause {
                    Observation::Paused { handler }
                } else {
                    Observation::Resumed { handler }
                });
            }
        }
        self.gates.notify_waiters();
    }
}

impl HandlerState {
    fn new(route: &Route, policy: &DeliveryPolicy) -> Self {
        let policy = policy.of(route.handler);
        let calls = match policy.order {
            // One for each partition; the lanes see to that.
            Order::Partition => usize::MAX,
            Order::Key | Order::None => usize::try_from(policy.concurrency).unwrap_or(usize::MAX),
        };
        let gate = Gate::new(policy.breaker);
        HandlerState {
            id: Arc::clone(&route.id),
            is_blocking: route.handler.blocking,
            is_direct: route.layers.is_empty(),
            decodes: route.handler.envelope_use() == EnvelopeUse::Always,
            policy,
            calls: Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS))),
            gate,
        }
    }
}
