//! Checks everything, then runs until told to stop.

use std::sync::Arc;
use std::time::Duration;

use super::{EventApp, Settings, provided};
use crate::broker::{Broker, BrokerError, Subscription};
use crate::event::TopicName;
use crate::observe::Observers;
use crate::outcome::Error;
use crate::processor::{EventProcessor, ProcessorError, ServiceIdentity};
use crate::registry::{StartupProblem, StartupReport};
use crate::router::EventRouter;
use crate::state::StateKey;

// Start-up answers within ten seconds, so the broker has less.
const BROKER_DEADLINE: Duration = Duration::from_secs(6);

// A producer may need one more round after the last lane has ended.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

/// A service whose start-up checks have all passed.
pub(crate) struct ReadyApp<B> {
    broker: B,
    settings: Settings,
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
        let router = self.router();
        let topics = topic_names(&router);
        report.add_problems(broker_problems(&broker, &topics).await);
        report.add_problems(self.make_state().await);
        let producer =
            broker.producer().map_err(|error| report.add_problems([StartupProblem::Broker(error)]));
        let Ok(producer) = producer else { return Err(report) };
        report.into_result()?;
        provided::put_own(&mut self.state, Arc::clone(&producer));
        let processor = EventProcessor {
            router,
            state: Arc::new(self.state),
            policy: settings.policy.clone(),
            identity: ServiceIdentity {
                name: self.service,
                version: self.version,
                group: settings.group.clone(),
            },
            producer,
            observers: self.observers.into_iter().collect::<Observers>(),
            health: self.health,
        };
        let topics = topics.into_iter().map(|both| both.topic).collect();
        Ok(ReadyApp { broker, settings, topics, processor })
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
        let consumer = self.broker.subscribe(Subscription {
            group: self.settings.group.clone(),
            topics: self.topics,
            max_in_flight_bytes: self.settings.max_in_flight_bytes,
            drain_deadline: self.settings.policy.drain_deadline,
            group_instance_id: None,
            wants_metadata: false,
        })?;
        let producer = Arc::clone(&self.processor.producer);
        let ended = self.processor.run(consumer, shutdown).await;
        let flushed = producer.flush(FLUSH_DEADLINE).await;
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
    pub(crate) fn state(&self) -> Arc<crate::state::StateMap> {
        Arc::clone(&self.processor.state)
    }
}

/// A topic that handlers listen to, and the one that takes its dead letters.
struct Topics {
    topic: TopicName,
    dead_letters: TopicName,
}

// Without those that have no good name, which the checks have reported.
fn topic_names(router: &EventRouter) -> Vec<Topics> {
    let topics = router.topics().filter_map(|topic| {
        let topic = topic.ok()?;
        let dead_letters = router.dead_letters(&topic).ok()?;
        Some(Topics { topic, dead_letters })
    });
    topics.collect()
}

async fn broker_problems<B: Broker>(broker: &B, topics: &[Topics]) -> Vec<StartupProblem> {
    let mut needed = Vec::new();
    for Topics { topic, dead_letters } in topics {
        needed.push((topic.clone(), format!("the handlers of `{topic}`")));
        needed.push((dead_letters.clone(), format!("the dead letters of `{topic}`")));
    }
    if needed.is_empty() { Vec::new() } else { topic_problems(broker, needed).await }
}

/// What is wrong with topics that are needed for something.
pub(crate) async fn topic_problems<B: Broker>(
    broker: &B,
    needed: Vec<(TopicName, String)>,
) -> Vec<StartupProblem> {
    let names: Vec<TopicName> = needed.iter().map(|(topic, _)| topic.clone()).collect();
    let found = match broker.topics(&names, BROKER_DEADLINE).await {
        Ok(found) => found,
        Err(error) => return vec![StartupProblem::Broker(error)],
    };
    let problems = needed.into_iter().zip(found).filter_map(|((topic, needed_for), status)| {
        let topic = topic.to_string();
        match status.partitions {
            Ok(_) => None,
            Err(BrokerError::UnknownTopic(_)) => {
                Some(StartupProblem::MissingTopic { topic, needed_for })
            }
            Err(error) => Some(StartupProblem::Broker(error)),
        }
    });
    problems.collect()
}

#[cfg(all(test, feature = "kafka"))]
mod tests {
    use super::*;
    use crate::broker::kafka::{EmbeddedBroker, Fault};

    #[tokio::test]
    async fn a_topic_that_is_missing_is_another_problem_than_one_that_is_forbidden()
    -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        for topic in ["role_events", "role_events_dlq", "claim_events"] {
            embedded.create_topic(topic, 1)?;
        }
        embedded.set_topic_fault("role_events_dlq", Some(Fault::TopicUnauthorised))?;
        let topics = ["role_events", "claim_events"].map(|name| {
            let topic = TopicName::from_static(name);
            Topics { dead_letters: topic.dead_letters().unwrap(), topic }
        });
        let problems = broker_problems(&embedded.broker(), &topics).await;
        match &problems[..] {
            [
                StartupProblem::Broker(BrokerError::Unauthorised(what)),
                StartupProblem::MissingTopic { topic, needed_for },
            ] => {
                assert!(what.contains("`role_events_dlq`") && what.contains("`WRITE`"), "{what}");
                assert_eq!(topic, "claim_events_dlq");
                assert!(needed_for.contains("the dead letters of `claim_events`"), "{needed_for}");
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }
}
