//! A service under test: the real router, codec, retry and commit logic on the memory broker.
//!
//! With the clock paused, retries of hours take no time and every run is the same.

mod crash;
mod history;
mod layers;
mod running;

use std::sync::Arc;

use crate::app::{ProvidedStates, Settings, check_settings, provided, put_own};
use crate::broker::Broker;
use crate::broker::memory::MemoryBroker;
use crate::event::GroupName;
use crate::middleware::Layers;
use crate::observe::{Health, Observer};
use crate::processor::{Clock, Control, DeliveryPolicy};
use crate::registry::{Registry, StartupReport};
use crate::router::{EventRouter, Purpose};
use crate::state::{StateKey, StateKeys, StateMap, StateParts};

pub use history::{Handled, History, RecordedEvent};
use running::Member;
pub use running::RunningApp;

/// A service under test.
///
/// ```
/// use event_core::prelude::*;
/// use event_core::testing::TestApp;
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(topic = "role_events", name = "CLAIM_ADDED")]
/// struct ClaimAdded { id: i64 }
///
/// #[event_handler]
/// async fn record_claim(event: Event<ClaimAdded>) -> Result {
///     if event.id < 0 { Err(Error::msg("a negative id").dead_letter()) } else { Ok(()) }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
/// let app = TestApp::new("admin").handlers_from(module_path!()).start()?;
/// app.publish(&ClaimAdded { id: 7 }).await;
/// app.publish(&ClaimAdded { id: -1 }).await;
/// app.settle().await;
/// assert_eq!(app.history().handled("CLAIM_ADDED").len(), 1);
/// let dead_letters = app.dead_letters("role_events");
/// assert_eq!(dead_letters[0].headers.get_text("dlq.error"), Some("a negative id"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Databases
///
/// A paused clock jumps to the next timer whenever the runtime has nothing else to do, and it has nothing
/// else to do while a database answers on a socket or a thread of its own. The next timer is then the one of
/// the pool, so that `acquire` of sqlx ends with `PoolTimedOut` at once. Let such a test run in real time
/// (`#[tokio::test]` without `start_paused`), and give it a short backoff with [`TestApp::policy`]; or let the
/// handlers take a repository in memory.
pub struct TestApp {
    group: GroupName,
    modules: Vec<String>,
    layers: Layers,
    state: StateMap,
    given: ProvidedStates,
    policy: DeliveryPolicy,
    partitions: u32,
    broker: MemoryBroker,
    clock: Clock,
    observers: Vec<Arc<dyn Observer>>,
}

impl TestApp {
    /// A service called `service`, with a broker of its own.
    ///
    /// # Panics
    ///
    /// When the name cannot be a consumer group's.
    #[must_use]
    #[track_caller]
    pub fn new(service: &str) -> Self {
        let group = match GroupName::parse(service) {
            Ok(group) => group,
            Err(error) => panic!("{error}"),
        };
        TestApp {
            group,
            modules: Vec::new(),
            layers: Layers::default(),
            state: StateMap::new(),
            given: ProvidedStates::default(),
            policy: DeliveryPolicy::default(),
            partitions: 1,
            broker: MemoryBroker::new(),
            clock: Clock::of_tokio(),
            observers: Vec::new(),
        }
    }

    /// Takes only the handlers of `module` and the modules inside it; may be called several times.
    /// All handlers of a test binary are linked into it, so most tests need this.
    #[must_use]
    pub fn handlers_from(mut self, module: impl Into<String>) -> Self {
        self.modules.push(module.into());
        self
    }

    /// Provides a value to the handlers that take `State<T>`.
    #[must_use]
    #[track_caller]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.given.add("state", [StateKey::of::<T>()]);
        self.state.insert(value);
        self
    }

    /// Provides a value and each of its parts.
    #[must_use]
    #[track_caller]
    pub fn state_parts<T: StateParts>(mut self, value: T) -> Self {
        let mut keys = StateKeys::new();
        T::add_keys(&mut keys);
        self.given.add("state_parts", keys);
        value.put(&mut self.state);
        self
    }

    /// Sets how records are delivered.
    #[must_use]
    pub fn policy(mut self, policy: DeliveryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets how many partitions each topic has; 1 unless set.
    #[must_use]
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Starts on `broker` in place of one of its own.
    #[must_use]
    pub fn broker(mut self, broker: &MemoryBroker) -> Self {
        self.broker = broker.clone();
        self
    }

    /// Takes the time of day from `clock`, so that several services have the same.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a listener beside the history.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Creates the topics of the handlers with their dead-letter topics, and starts.
    ///
    /// # Errors
    ///
    /// The [`StartupReport`] that the service itself would end with.
    pub fn start(self) -> Result<RunningApp, StartupReport> {
        let registry = Registry::linked().only_modules(&self.modules);
        let mut report = registry.check(self.group.as_str(), &provided(&self.state, []));
        report.add_problems(self.layers.problems(registry.handlers()));
        report.add_problems(self.given.problems());
        let settings = Settings::of_program(self.group.clone(), self.policy.clone());
        report.add(check_settings(&registry, &settings));
        report.into_result()?;
        let mut members = Vec::new();
        for (group, handlers) in registry.groups(&self.group) {
            let router = EventRouter::with_layers(&handlers, &self.layers);
            let mut topics: Vec<_> = router.topics().filter_map(Result::ok).collect();
            for topic in &topics {
                self.broker.create_topic(topic, self.partitions);
            }
            for derived in router.derived_topics().filter_map(Result::ok) {
                let partitions = match derived.purpose {
                    Purpose::DeadLetters => 1,
                    _ => self.partitions,
                };
                self.broker.create_topic(&derived.topic, partitions);
                if derived.purpose != Purpose::DeadLetters {
                    topics.push(derived.topic);
                }
            }
            members.push(Member { group, router, topics });
        }
        // What handlers send goes to the topics of linked contracts.
        for contract in registry.contracts() {
            if let Ok(topic) = contract.topic_name() {
                self.broker.create_topic(&topic, self.partitions);
            }
        }
        let mut state = self.state;
        if let Ok(producer) = self.broker.producer() {
            put_own(&mut state, producer);
        }
        let mut app = RunningApp {
            group: self.group,
            members,
            state: Arc::new(state),
            policy: self.policy,
            broker: self.broker,
            history: Arc::default(),
            health: Health::default(),
            control: Control::default(),
            clock: self.clock,
            observers: self.observers,
            crash_hook: Arc::default(),
            run: None,
        };
        app.restart();
        Ok(app)
    }
}
