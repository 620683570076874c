//! A service under test: the real router, codec, retry and commit logic on the memory broker.
//!
//! With the clock paused, retries of hours take no time and every run is the same.

mod crash;
mod history;
mod layers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{provided, put_own};
use crate::broker::memory::{MemoryBroker, StoredRecord};
use crate::broker::{Broker, OutgoingRecord, Subscription};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{Contract, GroupName, Headers, TopicName};
use crate::middleware::Layers;
use crate::observe::{Health, Observer, Observers};
use crate::processor::{
    Clock, Control, DeliveryPolicy, EventProcessor, ProcessorError, ServiceIdentity,
};
use crate::producer::EventProducer;
use crate::registry::{Registry, StartupReport};
use crate::router::{EventRouter, Purpose};
use crate::state::{StateMap, StateParts};

use crash::{CrashHook, Process};
pub use history::{Handled, Happened, History};

// Far beyond any retry, and no time at all with the clock paused.
const DEADLINE: Duration = Duration::from_secs(24 * 3600);

// A test that forgot to pause the clock must fail before anyone gets a coffee.
const REAL_DEADLINE: Duration = Duration::from_secs(60);

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
pub struct TestApp {
    group: GroupName,
    modules: Vec<String>,
    layers: Layers,
    state: StateMap,
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
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Provides a value and each of its parts.
    #[must_use]
    pub fn state_parts<T: StateParts>(mut self, value: T) -> Self {
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
        report.into_result()?;
        let mut members = Vec::new();
        for (group, handlers) in registry.groups(self.group.as_str()) {
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
            if let Ok(group) = GroupName::parse(&group) {
                members.push(Member { group, router, topics });
            }
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

/// A service under test that runs.
pub struct RunningApp {
    group: GroupName,
    members: Vec<Member>,
    state: Arc<StateMap>,
    policy: DeliveryPolicy,
    broker: MemoryBroker,
    history: Arc<History>,
    health: Health,
    control: Control,
    clock: Clock,
    observers: Vec<Arc<dyn Observer>>,
    crash_hook: Arc<CrashHook>,
    run: Option<Run>,
}

/// A consumer group of the service.
struct Member {
    group: GroupName,
    router: EventRouter,
    topics: Vec<TopicName>,
}

impl std::fmt::Debug for RunningApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningApp").field("group", &self.group).finish_non_exhaustive()
    }
}

struct Run {
    /// One for each consumer group.
    tasks: JoinSet<Result<(), ProcessorError>>,
    process: Arc<Process>,
    shutdown: watch::Sender<bool>,
}

impl RunningApp {
    /// Sends an event as the service's neighbours would.
    ///
    /// # Panics
    ///
    /// When the broker refuses it.
    pub async fn publish<E: Contract + Serialize>(&self, event: &E) {
        if let Err(error) = self.producer().send(event).await {
            panic!("{:?}", crate::Error::from(error));
        }
    }

    /// Sends a record as it stands.
    ///
    /// # Panics
    ///
    /// When the topic's name is wrong or the broker refuses the record.
    pub async fn publish_raw(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) {
        let record = OutgoingRecord {
            topic: name(topic),
            partition: None,
            key: key.map(Bytes::copy_from_slice),
            value: value.map(Bytes::copy_from_slice),
            headers: Headers::new(),
            timestamp_ms: None,
        };
        self.publish_record(record).await;
    }

    /// Sends a record with headers, a partition or a time of its own.
    ///
    /// # Panics
    ///
    /// When the broker refuses it.
    pub async fn publish_record(&self, record: OutgoingRecord) {
        if let Err(error) = self.producer().send_raw(record).await {
            panic!("{:?}", crate::Error::from(error));
        }
    }

    /// A producer on the same broker.
    #[must_use]
    pub fn producer(&self) -> EventProducer {
        match self.broker.producer() {
            Ok(port) => EventProducer::new(port),
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until every record of the subscribed topics is settled and committed.
    ///
    /// # Panics
    ///
    /// When that takes longer than a day, naming what is open.
    pub async fn settle(&self) {
        self.eventually("every record is settled and committed", || {
            self.open_partitions().is_empty()
        })
        .await;
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    ///
    /// When that takes longer than a day of the test's clock or a minute of ours.
    pub async fn eventually(&self, what: &str, condition: impl Fn() -> bool) {
        let (deadline, began) = (tokio::time::Instant::now() + DEADLINE, Instant::now());
        let mut step = Duration::from_millis(1);
        while !condition() {
            assert!(
                tokio::time::Instant::now() < deadline && began.elapsed() < REAL_DEADLINE,
                "not reached: {what}\n  open: {:?}\n  health: {:?}\n  (is the clock paused? `#[tokio::test(start_paused = true)]`)",
                self.open_partitions(),
                self.health.problems(),
            );
            tokio::time::sleep(step).await;
            step = (step * 2).min(Duration::from_secs(1));
        }
    }

    /// What happened so far, over all restarts.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The records that lie in a topic.
    ///
    /// # Panics
    ///
    /// When the topic's name is wrong.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<StoredRecord> {
        self.broker.records(&name(topic))
    }

    /// The dead letters of a topic, wherever its handlers have them written.
    ///
    /// # Panics
    ///
    /// When the topic's name is wrong.
    #[must_use]
    pub fn dead_letters(&self, topic: &str) -> Vec<StoredRecord> {
        let topic = name(topic);
        let listens = |member: &&Member| member.topics.contains(&topic);
        let dead_letters = match self.members.iter().find(listens) {
            Some(member) => member.router.dead_letters(&topic),
            None => topic.dead_letters(),
        };
        match dead_letters {
            Ok(topic) => self.broker.records(&topic),
            Err(error) => panic!("{error}"),
        }
    }

    /// Where the group goes on in a partition.
    ///
    /// # Panics
    ///
    /// When the topic's name is wrong.
    #[must_use]
    pub fn committed(&self, topic: &str, partition: i32) -> Option<NextOffset> {
        self.broker.committed(&self.group, &TopicPartition { topic: name(topic), partition })
    }

    /// The same for another consumer group of the service.
    ///
    /// # Panics
    ///
    /// When one of the names is wrong.
    #[must_use]
    pub fn committed_in(&self, group: &str, topic: &str, partition: i32) -> Option<NextOffset> {
        let group = match GroupName::parse(group) {
            Ok(group) => group,
            Err(error) => panic!("{error}"),
        };
        self.broker.committed(&group, &TopicPartition { topic: name(topic), partition })
    }

    /// Pauses and resumes handlers.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The broker, to make it fail.
    #[must_use]
    pub fn broker(&self) -> &MemoryBroker {
        &self.broker
    }

    /// The service's health.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Shuts down as on SIGTERM: drain, commit, leave. A crash that was asked for may come first.
    ///
    /// # Errors
    ///
    /// The [`ProcessorError`] that the service itself would end with.
    ///
    /// # Panics
    ///
    /// When the service does not run or its engine panicked.
    pub async fn stop(&mut self) -> Result<(), ProcessorError> {
        let Some(mut run) = self.run.take() else { panic!("the service does not run") };
        run.shutdown.send_replace(true);
        let mut ended = Ok(());
        while let Some(one) = run.tasks.join_next().await {
            match one {
                Ok(one) => ended = ended.and(one),
                Err(_) if run.process.is_dead() => {}
                Err(error) => panic!("the engine panicked: {error}"),
            }
        }
        ended
    }

    /// Whether the service runs: it was neither stopped nor crashed, and did not end by itself.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.process.has_ended() && !run.process.is_dead())
    }

    /// Starts the service again, from what is committed.
    ///
    /// # Panics
    ///
    /// When it still runs.
    pub fn restart(&mut self) {
        assert!(self.run.is_none(), "the service still runs");
        let process = Arc::new(Process::new(self.broker.process(), Arc::clone(&self.crash_hook)));
        let (shutdown, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for member in &self.members {
            let processor = self.processor(member, &process);
            let subscription = Subscription {
                group: member.group.clone(),
                topics: member.topics.clone(),
                max_in_flight_bytes: 1 << 20,
                drain_deadline: self.policy.drain_deadline,
                group_instance_id: None,
                wants_metadata: !processor.is_sequential(),
            };
            let consumer = match process.broker().subscribe(subscription) {
                Ok(consumer) => consumer,
                Err(error) => panic!("{error}"),
            };
            let mut stopped = stopped.clone();
            let task = tasks.spawn(processor.run(consumer, async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            }));
            process.runs_as(task);
        }
        self.run = Some(Run { tasks, process, shutdown });
    }

    fn processor(&self, member: &Member, process: &Arc<Process>) -> EventProcessor {
        let listeners = [self.history.clone() as _].into_iter().chain(self.observers.clone());
        EventProcessor {
            router: member.router.clone(),
            state: Arc::clone(&self.state),
            policy: self.policy.clone(),
            identity: ServiceIdentity {
                name: self.group.to_string(),
                version: "test".to_owned(),
                group: member.group.clone(),
            },
            producer: match process.broker().producer() {
                Ok(producer) => producer,
                Err(error) => panic!("{error}"),
            },
            observers: Observers::from_iter([process.watch(listeners) as _])
                .in_group(&member.group),
            health: self.health.clone(),
            control: self.control.clone(),
            clock: self.clock,
        }
    }

    fn open_partitions(&self) -> Vec<(TopicPartition, NextOffset, Option<NextOffset>)> {
        let mut open = Vec::new();
        for member in &self.members {
            let mut ends = std::collections::BTreeMap::new();
            for topic in &member.topics {
                for record in self.broker.records(topic) {
                    ends.insert(record.partition, record.offset.next());
                }
            }
            open.extend(ends.into_iter().filter_map(|(partition, end)| {
                let next = self.broker.committed(&member.group, &partition);
                (next != Some(end)).then_some((partition, end, next))
            }));
        }
        open
    }
}

#[track_caller]
fn name(topic: &str) -> TopicName {
    match TopicName::foreign(topic) {
        Ok(name) => name,
        Err(error) => panic!("{error}"),
    }
}
