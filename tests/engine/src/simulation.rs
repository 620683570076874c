//! One run of one seed.

mod incidents;

use std::sync::Arc;
use std::time::Duration;

use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, OutgoingRecord};
use event_core::delivery::TopicPartition;
use event_core::event::{GroupName, Headers, TopicName};
use event_core::outcome::{Backoff, Jitter};
use event_core::processor::{Clock, DeliveryPolicy, ProcessorError};
use event_core::testing::{RunningApp, TestApp};

use crate::dice::Dice;
use crate::handlers::{MODES, TOPICS};
use crate::member::Member;
use crate::script::Script;
use crate::stats::Stats;
use crate::verdict::check_the_end;
use crate::weather::Weather;
use crate::world::{ID, Rules, World};

/// What came of a seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was done.
    pub stats: Stats,
    /// What was wrong; empty when all is well.
    pub violations: Vec<String>,
    /// The whole history, when it was asked for.
    pub log: Vec<String>,
}

/// Runs a seed to its end.
///
/// # Panics
///
/// When there is no runtime to be had, or the engine panics.
#[must_use]
pub fn run(seed: u64, keep_log: bool) -> Report {
    run_in(seed, keep_log, true)
}

/// Runs a seed to its end, and nothing goes wrong around the engine: only handlers fail.
///
/// # Panics
///
/// As [`run`].
#[must_use]
pub fn run_in_calm(seed: u64) -> Report {
    run_in(seed, true, false)
}

fn run_in(seed: u64, keep_log: bool, faults: bool) -> Report {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = match runtime.enable_time().start_paused(true).build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    };
    runtime.block_on(async {
        let mut simulation = Simulation::new(seed, keep_log, faults);
        simulation.run().await;
        let record = &mut *simulation.world.record();
        check_the_end(record, &simulation.broker, &simulation.topics);
        Report {
            seed,
            stats: record.stats.clone(),
            violations: std::mem::take(&mut record.violations),
            log: record.log.take().unwrap_or_default(),
        }
    })
}

// No seed takes so long when all is well.
const PATIENCE: Duration = Duration::from_secs(3600);
// Long enough for what needs no time, and for a lane to be cut off.
const MOMENT: Duration = Duration::from_millis(200);

struct Simulation {
    dice: Dice,
    world: World,
    weather: Weather,
    broker: MemoryBroker,
    topics: Vec<TopicName>,
    /// These, and those of ours in which records wait.
    read: Vec<TopicName>,
    group: GroupName,
    partitions: u32,
    members: Vec<RunningApp>,
    published: usize,
    /// When the last loss of a partition is noticed.
    noticed: Duration,
    faults: bool,
}

impl Simulation {
    fn new(seed: u64, keep_log: bool, faults: bool) -> Self {
        let mut dice = Dice::new(seed);
        let mode = *dice.pick(MODES);
        let first = dice.ms(1, 200);
        let backoff = Backoff { first, longest: first * 8, jitter: Jitter::None };
        let attempts = u32::try_from(dice.between(1, 5)).unwrap_or(1);
        let commit_interval = dice.ms(10, 200);
        let policy = DeliveryPolicy {
            attempts,
            backoff,
            commit_interval,
            drain_timeout: dice.ms(20, 2000),
            ..DeliveryPolicy::default()
        };
        let records = dice.index(200) + 100;
        let all_attempts = attempts + u32::try_from(mode.retry_topics.len()).unwrap_or(0);
        let mut scripts = dice.fork();
        let scripts =
            (0..records).map(|id| Arc::new(Script::roll(&mut scripts, id, all_attempts, &mode)));
        let rules = Rules {
            sequential: mode.is_sequential(),
            attempts,
            retry_topics: mode.retry_topics,
            backoff,
            drain: policy.drain_timeout,
            commit_interval,
        };
        let broker = MemoryBroker::new();
        let group = GroupName::parse("sim").unwrap_or_else(|error| panic!("{error}"));
        let world = World::new(broker.clone(), group.clone(), rules, scripts.collect(), keep_log);
        world.log(|| format!("seed {seed}: {mode:?}, {policy:?}"));
        let weather = Weather::new(dice.fork(), world.clone());
        let partitions = u32::try_from(dice.between(1, 4)).unwrap_or(1);
        let topics: Vec<_> =
            TOPICS.iter().filter_map(|topic| TopicName::parse(topic).ok()).collect();
        let waiting = topics.iter().flat_map(|topic| {
            mode.retry_topics.iter().filter_map(|delay| topic.retry(*delay).ok())
        });
        let read = topics.iter().cloned().chain(waiting).collect();
        let clock = Clock::of_tokio();
        let members = (0..dice.index(4) + 1).map(|number| {
            let member = Member { number, world: world.clone() };
            let app = TestApp::new("sim")
                .handlers_from(mode.module)
                .state(member.clone())
                .observer(member)
                .policy(policy.clone())
                .partitions(partitions)
                .clock(clock)
                .broker(&broker);
            app.start().unwrap_or_else(|report| panic!("{report}"))
        });
        let members = members.collect();
        let hook = weather.clone();
        broker.inject(move |request| hook.decide(request));
        if !faults {
            weather.calm_down();
        }
        let published = 0;
        Simulation {
            dice,
            world,
            weather,
            broker,
            topics,
            read,
            group,
            partitions,
            members,
            published,
            noticed: Duration::ZERO,
            faults,
        }
    }

    async fn run(&mut self) {
        let total = self.world.record().scripts.len();
        while self.published < total {
            for _ in 0..self.dice.between(1, 6) {
                if self.published < total {
                    self.publish().await;
                }
            }
            if self.dice.chance(60) {
                tokio::time::sleep(self.dice.ms(0, 120)).await;
            }
            if self.faults && self.dice.chance(45) {
                self.act().await;
            }
        }
        self.resume();
        self.weather.calm_down();
        self.settle("all faults are over").await;
        // A member that has not noticed a loss yet may have a record in flight that another member has
        // settled, and does not stop in good order.
        tokio::time::sleep((self.noticed + MOMENT).saturating_sub(self.world.now())).await;
        self.settle("all losses are noticed").await;
        for number in 0..self.members.len() {
            if !self.runs(number) {
                self.start(number).await;
            }
            self.members[number].crash_when(|_| false);
            self.stop(number, true).await;
        }
        // After a clean stop nothing comes again.
        let attempts = self.world.record().executions.len();
        self.start(0).await;
        self.settle("after a clean stop").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        if self.world.record().executions.len() != attempts {
            self.world.violation("a restart after a clean stop repeated something".to_owned());
        }
        self.stop(0, true).await;
        self.broker.inject_nothing();
    }

    async fn publish(&mut self) {
        let id = self.published;
        self.published += 1;
        let script = Arc::clone(&self.world.record().scripts[id]);
        let mut headers = Headers::new();
        headers.push(ID, id.to_string());
        let record = OutgoingRecord {
            topic: self.dice.pick(&self.topics).clone(),
            partition: None,
            key: script.key.clone(),
            value: script.value.clone(),
            headers,
            timestamp_ms: None,
        };
        let producer = self.broker.producer().unwrap_or_else(|error| panic!("{error}"));
        match producer.send(record).await {
            Ok(at) => self.world.log(|| format!("{id} is {}@{}", at.partition, at.offset)),
            Err(error) => self.world.violation(format!("the publisher was refused: {error}")),
        }
    }

    fn runs(&self, number: usize) -> bool {
        self.members[number].is_running()
    }

    async fn start(&mut self, number: usize) {
        // One that died by a hook has not been buried.
        self.members[number].crash().await;
        self.world.revived(number);
        self.world.log(|| format!("m{number} starts"));
        self.members[number].restart();
    }

    async fn stop(&mut self, number: usize, clean: bool) {
        self.world.stopping(number);
        let stopped = self.members[number].stop().await;
        self.world.log(|| match &stopped {
            // How long handlers had something in flight is measured by the clock of the machine.
            Err(ProcessorError::DrainDeadline { partitions, .. }) => {
                format!("m{number} stops with {partitions} partitions in flight")
            }
            other => format!("m{number} stops: {other:?}"),
        });
        if self.world.is_dead(number) {
            return;
        }
        match stopped {
            Ok(()) => {}
            Err(ProcessorError::DrainDeadline { .. } | ProcessorError::LastCommit(..))
                if !clean => {}
            Err(error) => self.world.violation(format!("m{number} stopped: {error}")),
        }
        self.world.stopped(number);
    }

    /// Waits until everything is settled and committed.
    async fn settle(&mut self, when: &str) {
        for number in 0..self.members.len() {
            if self.world.is_dead(number) && !self.members.iter().any(RunningApp::is_running) {
                self.start(number).await;
            }
        }
        let deadline = self.world.now() + PATIENCE;
        loop {
            let open = self.open();
            if open.is_empty() {
                return;
            }
            if self.world.now() > deadline {
                self.world.violation(format!("{when}, and still open: {open:?}"));
                return;
            }
            if !self.members.iter().any(RunningApp::is_running) {
                self.start(0).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn open(&self) -> Vec<String> {
        let mut open = Vec::new();
        for topic in &self.read {
            for partition in 0..i32::try_from(self.partitions).unwrap_or(i32::MAX) {
                let partition = TopicPartition { topic: topic.clone(), partition };
                let end = self.broker.end(&partition).map_or(0, |end| end.0);
                let next = self.broker.committed(&self.group, &partition).map_or(0, |next| next.0);
                if next != end {
                    open.push(format!("{partition}: {next} of {end}"));
                }
            }
        }
        open
    }
}
