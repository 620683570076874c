//! The consumer groups of a service, and what they read.

use std::collections::BTreeSet;

use crate::event::{GroupName, TopicName};
use crate::handler::HandlerRegistration;
use crate::registry;

/// A consumer group with what it reads.
#[derive(Clone, Debug)]
pub struct GroupTopics {
    /// The group.
    pub group: GroupName,
    /// Its handlers.
    pub handlers: Vec<&'static HandlerRegistration>,
    /// The topics of these, sorted.
    pub topics: Vec<TopicName>,
}

/// The groups of `handlers`, sorted: the service's, and those that handlers name.
#[must_use]
pub fn groups_of(
    handlers: &[&'static HandlerRegistration],
    service: &GroupName,
) -> Vec<GroupTopics> {
    let groups = registry::groups_of(handlers, service).into_iter().map(|(group, handlers)| {
        let topics: BTreeSet<_> =
            handlers.iter().filter_map(|handler| TopicName::foreign(handler.topic).ok()).collect();
        GroupTopics { group, handlers, topics: topics.into_iter().collect() }
    });
    groups.collect()
}

impl GroupTopics {
    /// The handler of `topic` with this id.
    pub(super) fn handler(
        &self,
        topic: &TopicName,
        id: &str,
    ) -> Option<&'static HandlerRegistration> {
        self.handlers.iter().copied().find(|own| *topic == own.topic && own.id() == id)
    }
}
