//! Checks everything, then runs until it is stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::exit::code_of;
use super::lag_monitor::LagMonitor;
use super::running::{RunHandler, Running, RunsIn};
use super::tasks::{AppContext, Task, TaskError, Tasks};
use super::thread::apart;
use super::topic_sets::TopicSets;
use super::topics::{Found, Missing, look_for_topics};
use super::{EventApp, Settings, provided};
#[cfg(feature = "admin")]
use crate::admin::{AdminPort, Administered};
use crate::broker::{Broker, BrokerError, Consumer, Producer, Subscription};
use crate::event::{GroupName, TopicName};
use crate::observe::{GroupHealth, Health, HealthRules, Observer, Observers, TracingObserver};
use crate::outcome::Error;
use crate::processor::{
    Clock, Concurrency, EventProcessor, ProcessorError, ServiceIdentity, SiblingGroups,
};
use crate::producer::EventProducer;
use crate::registry::{SourceLocation, StartupProblem, StartupReport};
use crate::router::{EventRouter, Purpose};
use crate::state::{StateKey, StateMap};

// How long after a task has returned the service may hear of the signal that both wait for.
const SAME_SIGNAL: Duration = Duration::from_millis(500);
// A producer may need one more round after the last lane has ended.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// A service whose start-up checks have all passed.
pub(crate) struct ReadyApp<B> {
    broker: B,
    settings: Settings,
    members: Vec<Member>,
    producer: Arc<dyn Producer>,
    health: Health,
    #[cfg(feature = "admin")]
    admin: Option<(AdminPort, Administered)>,
    state: Arc<StateMap>,
    tasks: Vec<Task>,
    runtime: Handle,
    _running: Running,
}

/// One consumer group of the service: its own consumer, offsets, retries and dead letters.
struct Member {
    group: GroupName,
    topics: TopicSets,
    processor: EventProcessor,
    health: Arc<GroupHealth>,
    observers: Observers,
}

impl EventApp {
    /// Runs the service on `broker` until `shutdown` completes.
    ///
    /// Handlers run on the runtime that this is called on. Where it has several threads, everything
    /// else, `shutdown` among it, runs on a thread of its own, so that handlers which block all
    /// threads of the runtime do not keep the service from ending in time. They still keep such a
    /// runtime from being dropped: `#[event_core::main]` does not wait for them, whereas the `main`
    /// of `#[tokio::main]` returns when they do, or ends with [`std::process::exit`].
    ///
    /// # Errors
    ///
    /// [`StartupReport`] with everything that keeps it from starting; afterwards a
    /// [`ProcessorError`].
    pub async fn run_on<B: Broker>(
        self,
        broker: B,
        settings: Settings,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        self.prepare(broker, settings).await?.run(shutdown).await
    }

    /// Finds everything that keeps the service from starting, on the broker too.
    pub(crate) async fn prepare<B: Broker>(
        mut self,
        broker: B,
        settings: Settings,
    ) -> Result<ReadyApp<B>, StartupReport> {
        let mut report = self.check_with(&settings);
        let routers = self.routers(&settings.group);
        let running = Running::add(self.runs_in(&settings.group));
        let running = running.map_err(|problem| report.add_problems([problem]));
        let missing = match settings.create_topics {
            false => Missing::Reported,
            true if report.problems().is_empty() => Missing::Made,
            // A service that does not start leaves nothing behind.
            true => Missing::Deferred,
        };
        let found = look_for_topics(&broker, &routers, missing).await;
        let Found { problems, warnings, unread, partitions } = found;
        report.add_problems(problems);
        for warning in &warnings {
            warn!(target: "event_core", help = warning.help(), "{}", warning.message());
        }
        #[cfg(feature = "admin")]
        let admin = self.admin(&settings, &routers).map_err(|problem| {
            report.add_problems([problem]);
        });
        #[cfg(not(feature = "admin"))]
        if settings.admin.is_some() {
            report.add_problems([StartupProblem::Setting {
                message: format!(
                    "setting `admin_port` (from {}) is given, but this service has no admin port",
                    settings.source("admin_port")
                ),
                help: "build it with the feature `admin` of event-core".to_owned(),
            }]);
        }
        let producer =
            broker.producer().map_err(|error| report.add_problems([StartupProblem::Broker(error)]));
        let (Ok(producer), Ok(running)) = (producer, running) else { return Err(report) };
        report.into_result()?;
        // Last of all: to make it may change what outlives a start that fails, such as a database.
        StartupReport::new(self.make_state().await).into_result()?;
        provided::put_own(&mut self.state, Arc::clone(&producer));
        let state = Arc::new(self.state);
        let mut log = TracingObserver::default().counting_in(self.health.unknown_events());
        if routers.len() > 1 {
            log = log.naming_groups();
        }
        let log: Arc<dyn Observer> = Arc::new(log);
        let observers = [log].into_iter().chain(self.observers).collect::<Observers>();
        let concurrency = Concurrency::of(&settings.policy);
        let members = routers.iter().map(|(group, router)| {
            let (group, router) = (group.clone(), router.clone());
            let own: Vec<_> = router.topics().filter_map(Result::ok).collect();
            let retries: Vec<_> = redelivery_topics(&router).filter(|t| !unread.contains(t)).collect();
            let topics = TopicSets::new(&own, &retries, &partitions, settings.max_members);
            let wanted = TopicSets::new(&own, &retries, &partitions, usize::MAX).len();
            if topics.len() < wanted {
                info!(
                    target: "event_core",
                    %group, max_members = settings.max_members, wanted,
                    "some topics share a member of the group, so that instances may get unequal shares of them; raise `max_members` for a member each"
                );
            }
            let health = self.health.watch(&group, health_rules(&settings, &router));
            let observers = observers.and(Arc::clone(&health) as _).in_group(&group);
            let processor = EventProcessor {
                sibling_groups: SiblingGroups::of(&group, &routers),
                router,
                state: Arc::clone(&state),
                policy: settings.policy.clone(),
                identity: ServiceIdentity {
                    name: self.service.clone(),
                    version: self.version.clone(),
                    group: group.clone(),
                },
                producer: Arc::clone(&producer),
                observers: observers.clone(),
                health: self.health.clone(),
                control: self.control.clone(),
                clock: Clock::system(),
                runtime: Handle::current(),
                concurrency: concurrency.clone(),
            };
            Member { group, topics, processor, health, observers }
        });
        let members = members.collect();
        Ok(ReadyApp {
            broker,
            settings,
            members,
            producer,
            health: self.health,
            #[cfg(feature = "admin")]
            admin: admin.ok().flatten(),
            state,
            tasks: self.tasks,
            runtime: Handle::current(),
            _running: running,
        })
    }

    fn runs_in(&self, default: &GroupName) -> RunsIn {
        let groups = self.registry().groups(default).into_iter();
        let handlers = groups.flat_map(|(group, handlers)| {
            handlers.into_iter().map(move |handler| {
                let (module, name, line) = (handler.module, handler.name, handler.line);
                (RunHandler { module, name, line, id: handler.id() }, group.clone())
            })
        });
        RunsIn {
            service: self.service.clone(),
            place: SourceLocation::of_call("from_env", self.made_at),
            handlers: handlers.collect(),
        }
    }

    /// The admin port, taken.
    #[cfg(feature = "admin")]
    fn admin(
        &self,
        settings: &Settings,
        routers: &BTreeMap<GroupName, EventRouter>,
    ) -> Result<Option<(AdminPort, Administered)>, StartupProblem> {
        let Some(address) = settings.admin else { return Ok(None) };
        let taken = AdminPort::bind(address).and_then(|port| Ok((port.address()?, port)));
        let (address, port) = taken.map_err(|error| StartupProblem::Setting {
            message: format!(
                "setting `admin_port` (from {}): {address} cannot be used: {error}",
                settings.source("admin_port")
            ),
            help: match error.kind() {
                std::io::ErrorKind::AddrNotAvailable => {
                    "set `admin_address` or EVENT_ADMIN_ADDRESS to an address of this machine, `0.0.0.0` for all"
                }
                _ => "choose another with `admin_port` or EVENT_ADMIN_PORT, `0` for any that is free",
            }
            .to_owned(),
        })?;
        self.admin_address.set(address);
        info!(target: "event_core", %address, "serving health at /health/live and /health/ready");
        let routes: Vec<_> = routers.values().flat_map(EventRouter::routes).collect();
        let administered = Administered {
            health: self.health.clone(),
            control: self.control.clone(),
            handlers: routes.iter().map(|route| route.id.to_string()).collect(),
            topics: routes.iter().map(|route| route.handler.topic.to_owned()).collect(),
        };
        Ok(Some((port, administered)))
    }

    async fn make_state(&mut self) -> Vec<StartupProblem> {
        let mut problems = Vec::new();
        for provider in self.providers.drain(..) {
            match (provider.make)().await {
                Ok(put) => put(&mut self.state),
                Err(error) => {
                    let name = provider.keys.first().map_or("a state", StateKey::type_name);
                    problems.push(StartupProblem::Provider(format!(
                        "{name} cannot be created: {error:?}"
                    )));
                }
            }
        }
        problems
    }
}

impl<B: Broker> ReadyApp<B> {
    /// Runs until `shutdown` completes, away from handlers where that is possible.
    pub(crate) async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        apart(move || self.run_here(shutdown)).await
    }

    async fn run_here(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        // Carries until when handlers may end what they have.
        let (stop, stopped) = watch::channel(None);
        let mut running = FuturesUnordered::new();
        let own = |member: &Member| (member.group.clone(), member.topics.sets.concat());
        let own: BTreeMap<_, _> = self.members.iter().map(own).collect();
        let single = |member: &Member| (member.group.clone(), member.topics.single.clone());
        let single: BTreeMap<_, _> = self.members.iter().map(single).collect();
        let healths: Vec<_> = self.members.iter().map(|one| Arc::clone(&one.health)).collect();
        let mut observers = BTreeMap::new();
        for Member { group, topics, processor, health, observers: of_group } in self.members {
            observers.insert(group.clone(), of_group);
            let consumer = self.broker.subscribe(Subscription {
                group,
                topics: topics.sets,
                retry_topics: topics.retries,
                max_in_flight_bytes: self.settings.max_in_flight_bytes,
                drain_timeout: self.settings.policy.drain_timeout,
                group_instance_id: self.settings.group_instance_id.clone(),
                // Whatever the order is now: an earlier version of the service may have noted what it
                // had settled above a record that waited.
                wants_metadata: true,
                out_of_range: self.settings.out_of_range,
                by_partition: true,
            })?;
            health.set_heartbeats(consumer.heartbeats());
            if let Some(client_id) = consumer.client_id() {
                joins(health.group(), client_id);
                health.set_client_id(client_id.to_owned());
            }
            let mut stopped = stopped.clone();
            running.push(processor.run_until(consumer, async move {
                // A sender that is gone means the same.
                stopped.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline)
            }));
        }
        // Groups fail by themselves, but a service that has lost one is not what was deployed: the
        // others are drained, and whoever started it starts it again.
        let mut shutdown = std::pin::pin!(shutdown);
        // Until the last lane has ended: what keeps it is what somebody wants to see then.
        let monitor = LagMonitor {
            broker: &self.broker,
            health: &self.health,
            topics: &own,
            single: &single,
            observers: &observers,
        };
        let mut looking = std::pin::pin!(monitor.run());
        #[cfg(feature = "admin")]
        let admin = match self.admin {
            Some((port, administered)) => Some(port.serve(administered)?),
            None => None,
        };
        let mut admin = std::pin::pin!(async {
            #[cfg(feature = "admin")]
            if let Some(serving) = admin {
                serving.await;
            }
            std::future::pending::<()>().await;
        });
        let producer = self.state.get().cloned();
        let producer = producer.unwrap_or_else(|| EventProducer::new(Arc::clone(&self.producer)));
        let mut tasks = Tasks::start(self.tasks, &self.runtime, |stopped| {
            let (state, health) = (Arc::clone(&self.state), self.health.clone());
            AppContext::new(state, producer.clone(), health, stopped)
        });
        let drain = self.settings.policy.drain_timeout;
        let mut ended = Ok(());
        let mut drain_ends = None;
        let mut tasks_are_aborted = false;
        while !running.is_empty() || !(tasks.is_empty() || tasks_are_aborted) {
            if (tasks.is_empty() || tasks_are_aborted) && drain_ends.is_some() {
                stop.send_if_modified(|reported| std::mem::replace(reported, drain_ends).is_none());
            }
            let tasks_end = drain_ends.map(|at| at - drain / 2);
            let tasks_time_is_over = async {
                sleep_until(tasks_end?).await;
                Some(())
            };
            let begins_to_drain = tokio::select! {
                biased;
                () = &mut shutdown, if drain_ends.is_none() => true,
                Some(one) = running.next() => {
                    ended = ended.and(one.map_err(service_error));
                    true
                }
                // One that blocks its thread ends later or never, and nobody waits for it.
                Some(()) = tasks_time_is_over, if !tasks.is_empty() && !tasks_are_aborted => {
                    tasks.abort(drain / 2);
                    tasks_are_aborted = true;
                    false
                }
                task = tasks.next(), if !tasks_are_aborted => match task {
                    Ok(()) => false,
                    // It may have received the signal by itself, and before us.
                    Err(TaskError::Ended(_))
                        if drain_ends.is_none()
                            && timeout(SAME_SIGNAL, &mut shutdown).await.is_ok() => true,
                    Err(error) => {
                        ended = ended.and(Err(error.into()));
                        true
                    }
                },
                () = &mut looking => false,
                () = &mut admin => false,
            };
            if begins_to_drain && drain_ends.is_none() {
                self.health.ends();
                drain_ends = Some(Instant::now() + drain);
                tasks.shut_down();
            }
        }
        drop(running);
        let flushed = self.producer.flush(FLUSH_TIMEOUT).await;
        let ended = ended.and_then(|()| Ok(flushed?));
        let settled = healths.iter().map(|one| one.settled()).sum();
        close_log(&ended, settled);
        ended
    }

    #[cfg(feature = "cli")]
    pub(crate) fn state(&self) -> Arc<StateMap> {
        Arc::clone(&self.state)
    }
}

/// Says by which name brokers and `lag` know this process.
fn joins(group: &GroupName, client_id: &str) {
    info!(target: "event_core", "joins group `{group}` as `{client_id}`");
}

/// The last line: how far the service has come, and what it leaves to the next.
fn close_log(ended: &Result<(), Error>, settled: u64) {
    let records = if settled == 1 { "record" } else { "records" };
    match ended {
        Ok(()) => info!(
            target: "event_core",
            "stopped: {settled} {records} settled since the start, nothing is left to commit"
        ),
        Err(error) => warn!(
            target: "event_core",
            exit_code = code_of(error),
            "stopped with an error, {settled} {records} settled since the start: {error}"
        ),
    }
}

fn service_error(error: ProcessorError) -> Error {
    match error {
        // A missing authorization is a start-up problem: no retry fixes it.
        ProcessorError::Refused(error)
        | ProcessorError::Consumer(
            error @ (BrokerError::Authentication { .. } | BrokerError::Unauthorised(_)),
        ) => StartupReport::new(vec![StartupProblem::Broker(error)]).into(),
        error => error.into(),
    }
}

fn health_rules(settings: &Settings, router: &EventRouter) -> HealthRules {
    let derived: Vec<_> = router.derived_topics().filter_map(Result::ok).collect();
    let retries = derived.iter().filter(|one| matches!(one.purpose, Purpose::Retry(_)));
    let redriven = derived.iter().filter(|one| one.purpose == Purpose::Redrive);
    let handlers_of = |topic: &TopicName| {
        router.topic(topic.as_str()).routes().map(|route| route.id.to_string()).collect()
    };
    let own = router.topics().filter_map(Result::ok).map(|topic| (handlers_of(&topic), topic));
    let redrive_topics = redriven.clone().map(|one| one.topic.clone()).collect();
    let redriven = redriven.map(|one| (handlers_of(&one.origin), one.topic.clone()));
    HealthRules {
        liveness_after: settings.liveness_after,
        commit_interval: settings.policy.commit_interval,
        handlers: own.chain(redriven).map(|(handlers, topic)| (topic, handlers)).collect(),
        retry_topics: retries.map(|one| one.topic.clone()).collect(),
        redrive_topics,
    }
}

/// The topics whose records come back to be retried.
pub(crate) fn redelivery_topics(router: &EventRouter) -> impl Iterator<Item = TopicName> + '_ {
    let derived = router.derived_topics().filter_map(Result::ok);
    derived.filter(|one| one.purpose != Purpose::DeadLetters).map(|one| one.topic)
}

#[cfg(all(test, feature = "cli"))]
mod tests;
