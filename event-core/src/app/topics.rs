//! Whether the topics of a service are on the broker. Those that it needs because of others may be
//! made.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::info;

#[cfg(feature = "cli")]
use super::{EventApp, Settings};
use crate::broker::{Broker, BrokerError, NewTopic};
use crate::event::{GroupName, TopicName};
use crate::operations::{NeededTopic, TopicState, missing_topics, uneven_topics};
use crate::registry::StartupProblem;
use crate::router::{DerivedTopic, EventRouter, Purpose};

// Start-up answers within ten seconds, so the broker has less.
const BROKER_TIMEOUT: Duration = Duration::from_secs(6);

// How long a topic that was made may be unknown to some of the brokers, and how often they are asked.
const PROPAGATION: Duration = Duration::from_secs(3);
const PROPAGATION_LOOK: Duration = Duration::from_millis(100);

/// What becomes of a derived topic that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is a problem, unless it is for what a person redrives: that is read once it is made.
    Reported,
    /// It is made.
    Made,
    /// It is to be made, but not now.
    Deferred,
}

/// A topic that the service needs, as the broker has it.
struct Needed {
    topic: TopicName,
    /// What it is for; nothing where handlers listen to it. Several topics may share one for their
    /// dead letters.
    derived: Vec<DerivedTopic>,
    partitions: Result<i32, BrokerError>,
    without_leader: Vec<i32>,
}

impl Needed {
    fn state(&self) -> TopicState {
        TopicState {
            needed: NeededTopic {
                topic: self.topic.clone(),
                needed_for: Vec::new(),
                origins: self.derived.iter().map(|derived| derived.origin.clone()).collect(),
            },
            partitions: self.partitions.as_ref().ok().copied(),
            without_leader: self.without_leader.clone(),
            unknown: self
                .partitions
                .as_ref()
                .err()
                .filter(|error| !matches!(error, BrokerError::UnknownTopic(_)))
                .cloned(),
        }
    }
}

/// What the broker says about the topics of the service.
#[derive(Default)]
pub(super) struct Found {
    /// What is wrong with them.
    pub(super) problems: Vec<StartupProblem>,
    /// What the service can do without: that a topic for what a person redrives may not be used, or that
    /// partitions have no leader.
    pub(super) warnings: Vec<StartupProblem>,
    /// The topics that are not to be subscribed to because of that. One that is only missing is
    /// subscribed to all the same, and read as soon as it is made.
    pub(super) unread: Vec<TopicName>,
    /// How many partitions those have that are there.
    pub(super) partitions: BTreeMap<TopicName, i32>,
}

/// Looks for the topics of the service on the broker.
pub(super) async fn look_for_topics<B: Broker>(
    broker: &B,
    routers: &BTreeMap<GroupName, EventRouter>,
    when_missing: Missing,
) -> Found {
    let mut topics = BTreeMap::<_, Vec<DerivedTopic>>::new();
    for router in routers.values() {
        for derived in router.derived_topics().filter_map(Result::ok) {
            topics.entry(derived.topic.clone()).or_default().push(derived);
        }
    }
    for topic in routers.values().flat_map(EventRouter::topics).filter_map(Result::ok) {
        topics.insert(topic, Vec::new());
    }
    if topics.is_empty() {
        return Found::default();
    }
    let names: Vec<_> = topics.keys().cloned().collect();
    // All at once: an answer may take its whole time.
    let found = match broker.topics(&names, BROKER_TIMEOUT).await {
        Ok(found) => found,
        Err(error) => {
            return Found { problems: vec![StartupProblem::Broker(error)], ..Found::default() };
        }
    };
    let needed = topics.into_iter().zip(found).map(|((topic, derived), status)| Needed {
        topic,
        derived,
        partitions: status.partitions,
        without_leader: status.without_leader,
    });
    let needed: Vec<_> = needed.collect();
    let (mut found, missing) = sort_missing(&needed, when_missing);
    let partitions = needed.iter().filter_map(|one| {
        let partitions = *one.partitions.as_ref().ok()?;
        Some((one.topic.clone(), partitions))
    });
    found.partitions = partitions.collect();
    if when_missing == Missing::Made {
        found.problems.extend(make(broker, &needed, &missing).await);
    }
    found
}

#[cfg(feature = "cli")]
impl EventApp {
    /// What the broker would let the service start with: problems and warnings, about its topics. Makes
    /// nothing.
    pub(crate) async fn check_on<B: Broker>(
        &self,
        broker: &B,
        settings: &Settings,
    ) -> (Vec<StartupProblem>, Vec<StartupProblem>) {
        let when_missing = match settings.create_topics {
            true => Missing::Deferred,
            false => Missing::Reported,
        };
        let routers = self.routers(&settings.group);
        let found = look_for_topics(broker, &routers, when_missing).await;
        (found.problems, found.warnings)
    }
}

/// What is wrong, and the derived topics that are missing without being a problem.
fn sort_missing(needed: &[Needed], when_missing: Missing) -> (Found, Vec<&DerivedTopic>) {
    let (mut found, mut missing) = (Found::default(), Vec::new());
    for Needed { topic, derived, partitions, without_leader } in needed {
        // It may be over soon, and a service reports it for as long as it lasts.
        if !without_leader.is_empty() {
            let error = BrokerError::no_leader(topic, without_leader);
            found.warnings.push(StartupProblem::Broker(error));
        }
        let derived = derived.first();
        // Without the setting that makes it, a service can do without what a person redrives.
        let dispensable = derived.filter(|derived| {
            when_missing == Missing::Reported && derived.purpose == Purpose::Redrive
        });
        match (partitions, derived) {
            (Ok(_), _) => {}
            (Err(BrokerError::UnknownTopic(_)), Some(derived))
                if when_missing != Missing::Reported || dispensable.is_some() =>
            {
                missing.push(derived);
            }
            (Err(BrokerError::UnknownTopic(_)), derived) => {
                found.problems.push(StartupProblem::MissingTopic {
                    topic: topic.to_string(),
                    needed_for: match derived {
                        Some(derived) => needed_for(derived),
                        None => format!("the handlers of `{topic}`"),
                    },
                    is_derived: derived.is_some(),
                });
            }
            (Err(error), _) => match dispensable {
                Some(derived) => {
                    // Where it is only forbidden to look, a group that subscribes to it is refused as a
                    // whole. Anything else may be over soon.
                    if matches!(error, BrokerError::Unauthorised(_)) {
                        found.unread.push(topic.clone());
                    }
                    found.warnings.push(StartupProblem::UnreadTopic {
                        topic: topic.to_string(),
                        needed_for: needed_for(derived),
                        error: error.clone(),
                    });
                }
                None => found.problems.push(StartupProblem::Broker(error.clone())),
            },
        }
    }
    (found, missing)
}

fn needed_for(derived: &DerivedTopic) -> String {
    let what = match derived.purpose {
        Purpose::DeadLetters => "dead letters",
        Purpose::Retry(_) => "retries",
        Purpose::Redrive => "redriven dead letters",
    };
    format!("the {what} of `{}`", derived.origin)
}

/// Makes what is missing, as `topics create` does. Where the topic that it is for is missing itself,
/// which is a problem already, nothing is made.
async fn make<B: Broker>(
    broker: &B,
    needed: &[Needed],
    missing: &[&DerivedTopic],
) -> Vec<StartupProblem> {
    let states: Vec<_> = needed.iter().map(Needed::state).collect();
    for uneven in uneven_topics(&states) {
        info!(target: "event_core", "{uneven}: it is left as it is");
    }
    let made = missing_topics(&states, -1, -1).into_iter().filter(|new| new.partitions > 0);
    let made = made.filter_map(|new| {
        let derived = missing.iter().find(|derived| derived.topic == new.topic)?;
        Some((*derived, new))
    });
    let (made, new): (Vec<_>, Vec<_>) = made.unzip();
    if made.is_empty() {
        return Vec::new();
    }
    let answers = match broker.create_topics(&new, BROKER_TIMEOUT).await {
        Ok(answers) => answers,
        Err(error) => return vec![StartupProblem::Broker(error)],
    };
    let problems = made.iter().zip(answers).filter_map(|(derived, (topic, answer))| {
        let error = answer.err()?;
        let topic = topic.to_string();
        Some(StartupProblem::UncreatedTopic { topic, needed_for: needed_for(derived), error })
    });
    let problems: Vec<_> = problems.collect();
    if problems.is_empty() {
        wait_until_known(broker, &new).await;
    }
    problems
}

// A consumer that subscribes to a topic before its broker knows it does not look again for
// minutes.
async fn wait_until_known<B: Broker>(broker: &B, made: &[NewTopic]) {
    let names: Vec<_> = made.iter().map(|new| new.topic.clone()).collect();
    let began = Instant::now();
    while began.elapsed() < PROPAGATION {
        match broker.topics(&names, PROPAGATION).await {
            Ok(found) if found.iter().all(|status| status.partitions.is_ok()) => return,
            _ => sleep(PROPAGATION_LOOK).await,
        }
    }
}

/// What is wrong with topics that are needed for something.
#[cfg(feature = "cli")]
pub(crate) async fn topic_problems<B: Broker>(
    broker: &B,
    needed: Vec<(TopicName, String)>,
) -> Vec<StartupProblem> {
    let names: Vec<TopicName> = needed.iter().map(|(topic, _)| topic.clone()).collect();
    let found = match broker.topics(&names, BROKER_TIMEOUT).await {
        Ok(found) => found,
        Err(error) => return vec![StartupProblem::Broker(error)],
    };
    let problems = needed.into_iter().zip(found).filter_map(|((topic, needed_for), status)| {
        match status.partitions {
            Ok(_) => None,
            Err(BrokerError::UnknownTopic(_)) => Some(StartupProblem::MissingTopic {
                topic: topic.to_string(),
                needed_for,
                is_derived: false,
            }),
            Err(error) => Some(StartupProblem::Broker(error)),
        }
    });
    problems.collect()
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;
    use crate::broker::kafka::{EmbeddedBroker, Fault};

    #[tokio::test]
    async fn a_topic_that_is_missing_is_another_problem_than_one_that_is_forbidden()
    -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        for topic in ["role_events", "role_events_dlq"] {
            embedded.create_topic(topic, 1)?;
        }
        embedded.set_topic_fault("role_events_dlq", Some(Fault::TopicUnauthorised))?;
        let needed = ["role_events", "role_events_dlq", "claim_events_dlq"].map(|name| {
            let needed_for = match name.strip_suffix("_dlq") {
                Some(topic) => format!("the dead letters of `{topic}`"),
                None => format!("the handlers of `{name}`"),
            };
            (TopicName::foreign(name).unwrap(), needed_for)
        });
        let problems = topic_problems(&embedded.broker(), needed.to_vec()).await;
        match &problems[..] {
            [
                StartupProblem::Broker(BrokerError::Unauthorised(what)),
                StartupProblem::MissingTopic { topic, needed_for, .. },
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
