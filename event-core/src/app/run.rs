//! Checks everything, then runs until told to stop.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::topics::{Missing, look_for_topics};
use super::{EventApp, Settings, provided};
use crate::broker::{Broker, BrokerError, Producer, Subscription};
use crate::event::{GroupName, TopicName};
use crate::observe::Observers;
use crate::outcome::Error;
use crate::processor::{Clock, EventProcessor, ProcessorError, ServiceIdentity};
use crate::registry::{StartupProblem, StartupReport};
use crate::router::{EventRouter, Purpose};
use crate::state::StateKey;
#[cfg(feature = "cli")]
use crate::state::StateMap;

// A producer may need one more round after the last lane has ended.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

/// A service whose start-up checks have all passed.
pub(crate) struct ReadyApp<B> {
    broker: B,
    settings: Settings,
    members: Vec<Member>,
    producer: Arc<dyn Producer>,
    #[cfg(feature = "cli")]
    state: Arc<StateMap>,
}

/// One consumer group of the service: its own consumer, offsets, retries and dead letters.
struct Member {
    group: GroupName,
    topics: Vec<TopicName>,
    processor: EventProcessor,
}

impl EventApp {
    /// Runs the service on `broker` until `shutdown` completes.
    ///
    /// # Errors
    ///
    /// [`StartupReport`] with everything that keeps it from starting; afterwards a
    /// [`ProcessorError`].
    pub async fn run_on<B: Broker>(
        self,
        broker: B,
        settings: Settings,
        shutdown: impl Future<Output = ()> + Send,
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
        let routers = self.routers(settings.group.as_str(), &settings.policy);
        let missing = match settings.create_topics {
            false => Missing::Reported,
            true if report.problems().is_empty() => Missing::Made,
            // A service that does not start leaves nothing behind.
            true => Missing::Left,
        };
        let (problems, missing) = look_for_topics(&broker, &routers, missing).await;
        report.add_problems(problems);
        report.add_problems(self.make_state().await);
        let producer =
            broker.producer().map_err(|error| report.add_problems([StartupProblem::Broker(error)]));
        let Ok(producer) = producer else { return Err(report) };
        report.into_result()?;
        provided::put_own(&mut self.state, Arc::clone(&producer));
        let state = Arc::new(self.state);
        let observers = self.observers.into_iter().collect::<Observers>();
        let members = routers.into_iter().filter_map(|(group, router)| {
            // Its rule was checked by the attribute, or by the settings.
            let group = GroupName::parse(&group).ok()?;
            let topics = router.topics().filter_map(Result::ok);
            let topics =
                topics.chain(returning(&router)).filter(|t| !missing.contains(t)).collect();
            let processor = EventProcessor {
                router,
                state: Arc::clone(&state),
                policy: settings.policy.clone(),
                identity: ServiceIdentity {
                    name: self.service.clone(),
                    version: self.version.clone(),
                    group: group.clone(),
                },
                producer: Arc::clone(&producer),
                observers: observers.in_group(&group),
                health: self.health.clone(),
                control: self.control.clone(),
                clock: Clock::system(),
            };
            Some(Member { group, topics, processor })
        });
        let members = members.collect();
        Ok(ReadyApp {
            broker,
            settings,
            members,
            producer,
            #[cfg(feature = "cli")]
            state,
        })
    }

    async fn make_state(&mut self) -> Vec<StartupProblem> {
        let mut problems = Vec::new();
        for provider in self.providers.drain(..) {
            match (provider.make)().await {
                Ok(put) => put(&mut self.state),
                Err(error) => {
                    let name = provider.keys.first().map_or("a state", StateKey::type_name);
                    problems.push(StartupProblem::Provider(format!(
                        "{name} cannot be made: {error:?}"
                    )));
                }
            }
        }
        problems
    }
}

impl<B: Broker> ReadyApp<B> {
    pub(crate) async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let (stop, stopped) = watch::channel(false);
        let mut running = FuturesUnordered::new();
        for Member { group, topics, processor } in self.members {
            let consumer = self.broker.subscribe(Subscription {
                group,
                topics,
                max_in_flight_bytes: self.settings.max_in_flight_bytes,
                drain_deadline: self.settings.policy.drain_deadline,
                group_instance_id: self.settings.group_instance_id.clone(),
                wants_metadata: !processor.is_sequential(),
            })?;
            let mut stopped = stopped.clone();
            running.push(processor.run(consumer, async move {
                // A sender that is gone means the same.
                let _ = stopped.wait_for(|stop| *stop).await;
            }));
        }
        // Groups fail by themselves, but a service that has lost one is not what was deployed: the
        // others are drained, and whoever started it starts it again.
        let mut shutdown = std::pin::pin!(shutdown);
        let mut ended = Ok(());
        loop {
            tokio::select! {
                () = &mut shutdown, if !*stop.borrow() => drop(stop.send_replace(true)),
                one = running.next() => {
                    let Some(one) = one else { break };
                    stop.send_replace(true);
                    ended = ended.and(one);
                }
            }
        }
        drop(running);
        let flushed = self.producer.flush(FLUSH_DEADLINE).await;
        match ended {
            // What the broker does not let us do is for a person to mend, like any start-up problem.
            Err(ProcessorError::Consumer(
                error @ (BrokerError::Authentication { .. } | BrokerError::Unauthorised(_)),
            )) => Err(StartupReport::new(vec![StartupProblem::Broker(error)]).into()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(flushed?),
        }
    }

    #[cfg(feature = "cli")]
    pub(crate) fn state(&self) -> Arc<StateMap> {
        Arc::clone(&self.state)
    }
}

/// The topics whose records come back to be tried again.
pub(crate) fn returning(router: &EventRouter) -> impl Iterator<Item = TopicName> + '_ {
    let derived = router.derived_topics().filter_map(Result::ok);
    derived.filter(|one| one.purpose != Purpose::DeadLetters).map(|one| one.topic)
}
