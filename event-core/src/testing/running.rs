//! A service under test that runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::broker::memory::{MemoryBroker, StoredRecord};
use crate::broker::{Broker, OutgoingRecord, Subscription};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{Contract, GroupName, Headers, TopicName};
use crate::observe::{Health, HealthProblem, Observer, Observers};
use crate::operations::dead_letters::dead_letter_topics;
use crate::processor::{
    Clock, Concurrency, Control, DeliveryPolicy, EventProcessor, ProcessorError, ServiceIdentity,
    SiblingGroups,
};
use crate::producer::EventProducer;
use crate::router::EventRouter;
use crate::state::StateMap;

use super::History;
use super::crash::{CrashHook, Process};

// Far beyond any retry, and no time at all with the clock paused.
const TIMEOUT: Duration = Duration::from_secs(24 * 3600);

// A test that forgot to pause the clock must fail before anyone gets a coffee.
const REAL_TIMEOUT: Duration = Duration::from_secs(60);

/// A service under test that runs.
pub struct RunningApp {
    pub(super) group: GroupName,
    pub(super) members: Vec<Member>,
    pub(super) state: Arc<StateMap>,
    pub(super) policy: DeliveryPolicy,
    pub(super) broker: MemoryBroker,
    pub(super) history: Arc<History>,
    pub(super) health: Health,
    pub(super) control: Control,
    pub(super) clock: Clock,
    pub(super) observers: Vec<Arc<dyn Observer>>,
    pub(super) crash_hook: Arc<CrashHook>,
    pub(super) run: Option<Run>,
}

/// A consumer group of the service.
pub(super) struct Member {
    pub(super) group: GroupName,
    pub(super) router: EventRouter,
    pub(super) topics: Vec<TopicName>,
}

impl std::fmt::Debug for RunningApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningApp").field("group", &self.group).finish_non_exhaustive()
    }
}

pub(super) struct Run {
    /// One for each consumer group.
    pub(super) tasks: JoinSet<Result<(), ProcessorError>>,
    pub(super) process: Arc<Process>,
    pub(super) shutdown: watch::Sender<bool>,
}

impl RunningApp {
    /// Sends an event as another service would.
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

    /// Waits until every record of the subscribed topics is settled and committed. A record whose
    /// handler fails as `unavailable` is not settled before the handler succeeds: wait with
    /// [`eventually`](RunningApp::eventually) for what the test is about.
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
        let (deadline, began) = (tokio::time::Instant::now() + TIMEOUT, Instant::now());
        let mut step = Duration::from_millis(1);
        while !condition() {
            let is_over = tokio::time::Instant::now() >= deadline;
            assert!(
                !is_over && began.elapsed() < REAL_TIMEOUT,
                "not reached: {what}{}",
                self.what_is_open(is_over)
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

    /// The dead letters of a topic, wherever its handlers have them written; none of a topic that none
    /// listens to.
    ///
    /// # Panics
    ///
    /// When the topic's name is wrong.
    #[must_use]
    pub fn dead_letters(&self, topic: &str) -> Vec<StoredRecord> {
        let topic = name(topic);
        let routers = self.members.iter().map(|member| &member.router);
        let all = dead_letter_topics(routers).into_iter();
        let own = all.filter(|(_, origins)| origins.contains(&topic));
        own.flat_map(|(letters, _)| self.broker.records(&letters)).collect()
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
        let concurrency = Concurrency::of(&self.policy);
        for member in &self.members {
            let processor = self.processor(member, &process, concurrency.clone());
            let subscription = Subscription {
                group: member.group.clone(),
                topics: vec![member.topics.clone()],
                retry_topics: Vec::new(),
                max_in_flight_bytes: 1 << 20,
                drain_timeout: self.policy.drain_timeout,
                group_instance_id: None,
                wants_metadata: true,
                out_of_range: Default::default(),
                by_partition: false,
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

    fn processor(
        &self,
        member: &Member,
        process: &Arc<Process>,
        concurrency: Concurrency,
    ) -> EventProcessor {
        let listeners = [self.history.clone() as _].into_iter().chain(self.observers.clone());
        EventProcessor {
            sibling_groups: SiblingGroups::of(
                &member.group,
                self.members.iter().map(|member| (&member.group, &member.router)),
            ),
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
            runtime: tokio::runtime::Handle::current(),
            concurrency,
        }
    }

    /// What is not settled and why, for whoever waits for it; `is_over` when the test's own day is.
    fn what_is_open(&self, is_over: bool) -> String {
        let mut lines = String::new();
        for (group, partition, end, next) in self.open_partitions() {
            let next = next.map_or(0, |next| next.0);
            lines += &format!(
                "\n  open: {partition} is settled up to offset {next} of {end} in group `{group}`"
            );
        }
        let problems = self.health.problems();
        for problem in &problems {
            lines += &format!("\n  health: {problem}");
        }
        let is_breaker_open =
            problems.iter().any(|problem| matches!(problem, HealthProblem::BreakerOpen { .. }));
        lines += match is_over {
            false => {
                "\n  help: pause the clock with `#[tokio::test(start_paused = true)]`; a minute of real time is over"
            }
            true if is_breaker_open => {
                "\n  help: a record whose handler goes on failing as `unavailable` is never settled; wait for what the test is about with `eventually(..)`"
            }
            true => "\n  help: a day of the test's clock is over; what is open waits for something",
        };
        lines
    }

    fn open_partitions(&self) -> Vec<(&GroupName, TopicPartition, NextOffset, Option<NextOffset>)> {
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
                (next != Some(end)).then_some((&member.group, partition, end, next))
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
