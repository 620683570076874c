//! The topics that a service needs, and which of them exist.

use std::collections::BTreeMap;

use super::{DEADLINE, OperationError};
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
}

/// Every topic that `handlers` need, a table for each of their groups, sorted: those that they listen to, and for each of these where
/// its dead letters go, where they are redriven, and where its records wait to be tried again; and
/// those that they are known to send to.
///
/// # Errors
///
/// [`NameError`] for a topic that cannot have its others, because their names are over the limit.
pub fn needed_topics<'a>(
    handlers: &[&'static HandlerRegistration],
    groups: impl IntoIterator<Item = &'a EventRouter>,
) -> Result<Vec<NeededTopic>, NameError> {
    let mut needed = BTreeMap::<TopicName, Vec<String>>::new();
    let mut need = |topic: TopicName, what: String| {
        let needed_for = needed.entry(topic).or_default();
        if !needed_for.contains(&what) {
            needed_for.push(what);
        }
    };
    let mut derived = Vec::new();
    for router in groups {
        for topic in router.topics() {
            need(topic?, "handlers".to_owned());
        }
        for topic in router.derived_topics() {
            derived.push(topic?);
        }
    }
    for DerivedTopic { topic, origin, purpose } in derived {
        need(
            topic,
            match purpose {
                Purpose::DeadLetters => format!("dead letters of {origin}"),
                Purpose::Redrive => format!("redriven dead letters of {origin}"),
                Purpose::Retry(delay) => format!("retries of {origin} after {delay:?}"),
            },
        );
    }
    for handler in handlers {
        for contract in handler.sends().unwrap_or_default() {
            need(TopicName::foreign(contract.topic)?, "what handlers send".to_owned());
        }
    }
    Ok(needed.into_iter().map(|(topic, needed_for)| NeededTopic { topic, needed_for }).collect())
}

/// A topic that a service needs, as the broker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// The topic.
    pub needed: NeededTopic,
    /// How many partitions it has; `None` when it does not exist.
    pub partitions: Option<i32>,
}

/// Asks the broker for `topics`.
///
/// # Errors
///
/// [`OperationError::Broker`]; that one does not exist is no error.
pub async fn topic_states<B: Broker>(
    broker: &B,
    topics: Vec<NeededTopic>,
) -> Result<Vec<TopicState>, OperationError> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<_> = topics.iter().map(|needed| needed.topic.clone()).collect();
    let found = broker.topics(&names, DEADLINE).await?;
    let state = |(needed, status): (NeededTopic, crate::broker::TopicStatus)| {
        let partitions = match status.partitions {
            Ok(partitions) => Some(partitions),
            Err(BrokerError::UnknownTopic(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(TopicState { needed, partitions })
    };
    topics.into_iter().zip(found).map(state).collect()
}

/// Those that do not exist, as they are to be made; -1 partitions and replicas leave it to the broker.
#[must_use]
pub fn missing_topics(states: &[TopicState], partitions: i32, replication: i32) -> Vec<NewTopic> {
    let missing = states.iter().filter(|state| state.partitions.is_none());
    let new = missing.map(|state| {
        let topic = state.needed.topic.clone();
        NewTopic { topic, partitions, replication }
    });
    new.collect()
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
        topics => Ok(broker.create_topics(topics, DEADLINE).await?),
    }
}

#[cfg(test)]
mod tests;
