//! The topics that a service needs, and which of them exist.

use std::collections::BTreeMap;
use std::fmt;

use super::{OperationError, TIMEOUT};
use crate::broker::{Broker, BrokerError, NewTopic};
use crate::event::{NameError, TopicName};
use crate::handler::HandlerRegistration;
use crate::router::{DerivedTopic, EventRouter, Purpose};

/// A topic that a service needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededTopic {
    /// The topic.
    pub topic: TopicName,
    /// What for, such as `handlers` or `dead letters of role_events`.
    pub needed_for: Vec<String>,
    /// The topics whose dead letters, retries or redriven records it takes; empty for one that
    /// handlers only listen to or send to.
    pub origins: Vec<TopicName>,
}

/// Every topic that `handlers` need, a table for each of their groups, sorted: those that they listen to, and for each of these where
/// its dead letters go, where they are redriven, and where its records wait to be retried; and
/// those that they are known to send to.
///
/// # Errors
///
/// [`NameError`] for a topic that cannot have its others, because their names are over the limit.
pub fn needed_topics<'a>(
    handlers: &[&'static HandlerRegistration],
    groups: impl IntoIterator<Item = &'a EventRouter>,
) -> Result<Vec<NeededTopic>, NameError> {
    let mut needed = BTreeMap::<TopicName, (Vec<String>, Vec<TopicName>)>::new();
    let mut need = |topic: TopicName, what: String, origin: Option<TopicName>| {
        let (needed_for, origins) = needed.entry(topic).or_default();
        if !needed_for.contains(&what) {
            needed_for.push(what);
        }
        origins.extend(origin.filter(|origin| !origins.contains(origin)));
    };
    let mut derived = Vec::new();
    for router in groups {
        for topic in router.topics() {
            need(topic?, "handlers".to_owned(), None);
        }
        for topic in router.derived_topics() {
            derived.push(topic?);
        }
    }
    for DerivedTopic { topic, origin, purpose } in derived {
        let what = match purpose {
            Purpose::DeadLetters => format!("dead letters of {origin}"),
            Purpose::Redrive => format!("redriven dead letters of {origin}"),
            Purpose::Retry(delay) => format!("retries of {origin} after {delay:?}"),
        };
        need(topic, what, Some(origin));
    }
    for handler in handlers {
        for contract in handler.sends().unwrap_or_default() {
            need(TopicName::foreign(contract.topic)?, "what handlers send".to_owned(), None);
        }
    }
    let needed = needed.into_iter();
    let needed =
        needed.map(|(topic, (needed_for, origins))| NeededTopic { topic, needed_for, origins });
    Ok(needed.collect())
}

/// A topic that a service needs, as the broker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// The topic.
    pub needed: NeededTopic,
    /// How many partitions it has; `None` when it does not exist, or that is not known.
    pub partitions: Option<i32>,
    /// The partitions that have no leader, so that nobody can read or write them.
    pub without_leader: Vec<i32>,
    /// Why it is not known whether it exists: it may not be described, say.
    pub unknown: Option<BrokerError>,
}

impl TopicState {
    /// Whether it is known that it does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.partitions.is_none() && self.unknown.is_none()
    }
}

/// Asks the broker for `topics`.
///
/// # Errors
///
/// [`OperationError::Broker`]; what is wrong with one topic is in its own state.
pub async fn topic_states<B: Broker>(
    broker: &B,
    topics: Vec<NeededTopic>,
) -> Result<Vec<TopicState>, OperationError> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<_> = topics.iter().map(|needed| needed.topic.clone()).collect();
    let found = broker.topics(&names, TIMEOUT).await?;
    let state = |(needed, status): (NeededTopic, crate::broker::TopicStatus)| {
        let (partitions, unknown) = match status.partitions {
            Ok(partitions) => (Some(partitions), None),
            Err(BrokerError::UnknownTopic(_)) => (None, None),
            Err(error) => (None, Some(error)),
        };
        TopicState { needed, partitions, without_leader: status.without_leader, unknown }
    };
    Ok(topics.into_iter().zip(found).map(state).collect())
}

/// Those that do not exist, as they are to be made: one that takes dead letters, retries or redriven
/// records of others with as many partitions as those have (the most of them), the others with
/// `partitions`. -1 partitions and replicas leave it to the broker. One whose number depends on a topic that
/// is not known is left out.
#[must_use]
pub fn missing_topics(states: &[TopicState], partitions: i32, replication: i32) -> Vec<NewTopic> {
    let is_known = |state: &&TopicState| {
        let mut origins =
            states.iter().filter(|one| state.needed.origins.contains(&one.needed.topic));
        origins.all(|origin| origin.unknown.is_none())
    };
    let missing = states.iter().filter(|state| state.is_missing()).filter(is_known);
    let new = missing.map(|state| NewTopic {
        topic: state.needed.topic.clone(),
        partitions: planned_partitions(states, state, partitions, states.len()),
        replication,
    });
    new.collect()
}

/// How many partitions a topic has or gets. A dead-letter topic may itself have one: `depth` ends a
/// chain of them that comes back.
fn planned_partitions(states: &[TopicState], state: &TopicState, given: i32, depth: usize) -> i32 {
    if let Some(partitions) = state.partitions {
        return partitions;
    }
    let Some(depth) = depth.checked_sub(1) else { return given };
    let origins = states.iter().filter(|one| state.needed.origins.contains(&one.needed.topic));
    let planned = origins.map(|origin| planned_partitions(states, origin, given, depth));
    planned.max().unwrap_or(given)
}

/// A topic that exists with another number of partitions than the topic whose records it takes. It
/// works all the same: records of one key stay in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnevenTopic {
    /// The topic.
    pub topic: TopicName,
    /// How many partitions it has.
    pub partitions: i32,
    /// The topic whose records it takes.
    pub origin: TopicName,
    /// How many partitions that one has.
    pub origin_partitions: i32,
}

impl fmt::Display for UnevenTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnevenTopic { topic, partitions, origin, origin_partitions } = self;
        let s = if *partitions == 1 { "" } else { "s" };
        write!(f, "{topic} has {partitions} partition{s}, {origin} has {origin_partitions}")
    }
}

/// The topics that [`missing_topics`] would make with another number of partitions than they have.
#[must_use]
pub fn uneven_topics(states: &[TopicState]) -> Vec<UnevenTopic> {
    let uneven = states.iter().filter_map(|state| {
        let partitions = state.partitions?;
        let origins = states.iter().filter(|one| state.needed.origins.contains(&one.needed.topic));
        let origins = origins.filter_map(|one| Some((one.partitions?, &one.needed.topic)));
        let (origin_partitions, origin) = origins.max()?;
        (origin_partitions != partitions).then(|| UnevenTopic {
            topic: state.needed.topic.clone(),
            partitions,
            origin: origin.clone(),
            origin_partitions,
        })
    });
    uneven.collect()
}

/// Makes topics, and says of each whether it was made or there by now.
///
/// # Errors
///
/// [`OperationError::Broker`]; what is wrong with one topic is in its own answer.
pub async fn create_topics<B: Broker>(
    broker: &B,
    topics: &[NewTopic],
) -> Result<Vec<crate::broker::CreatedTopic>, OperationError> {
    match topics {
        [] => Ok(Vec::new()),
        topics => Ok(broker.create_topics(topics, TIMEOUT).await?),
    }
}

#[cfg(test)]
mod tests;
