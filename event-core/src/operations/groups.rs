//! The consumer groups of a service, and the names of the topics that belong to its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::{GroupName, NameError, TopicName};
use crate::handler::HandlerRegistration;

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

/// The groups of `handlers`, sorted: the service's, and those that handlers name. What has no good
/// name, which start-up refuses, is left out.
#[must_use]
pub fn groups_of(
    handlers: &[&'static HandlerRegistration],
    service: &GroupName,
) -> Vec<GroupTopics> {
    let mut groups = BTreeMap::<String, (GroupName, Vec<_>)>::new();
    for handler in handlers {
        let group = match handler.options.group {
            None => service.clone(),
            Some(name) => match GroupName::parse(name) {
                Ok(group) => group,
                Err(_) => continue,
            },
        };
        groups.entry(group.to_string()).or_insert((group, Vec::new())).1.push(*handler);
    }
    let groups = groups.into_values().map(|(group, handlers)| {
        let topics: BTreeSet<_> =
            handlers.iter().filter_map(|handler| TopicName::foreign(handler.topic).ok()).collect();
        GroupTopics { group, handlers, topics: topics.into_iter().collect() }
    });
    groups.collect()
}

/// The topic to which dead letters of `topic` are redriven: the name with `_redrive` appended.
///
/// # Errors
///
/// [`NameError`] when the longer name is over the limit.
pub fn redrive_topic(topic: &TopicName) -> Result<TopicName, NameError> {
    TopicName::foreign(&format!("{topic}_redrive"))
}

/// The topic in which records of `topic` wait for `delay` until they are tried again: the name with
/// `_retry_` and the delay in its largest whole unit, such as `role_events_retry_1m`.
///
/// # Errors
///
/// [`NameError`] when the longer name is over the limit.
pub fn retry_topic(topic: &TopicName, delay: Duration) -> Result<TopicName, NameError> {
    TopicName::foreign(&format!("{topic}_retry_{}", in_largest_unit(delay)))
}

/// `1m` for 60 seconds, `90s` for 90.
pub(super) fn in_largest_unit(delay: Duration) -> String {
    let ms = delay.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let whole = units.into_iter().find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{ms}ms"), |(name, unit)| format!("{}{name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_topic_is_named_by_its_delay_in_the_largest_whole_unit() {
        let topic = TopicName::from_static("role_events");
        for (ms, name) in [
            (60_000, "role_events_retry_1m"),
            (90_000, "role_events_retry_90s"),
            (600_000, "role_events_retry_10m"),
            (7_200_000, "role_events_retry_2h"),
            (1500, "role_events_retry_1500ms"),
        ] {
            assert_eq!(retry_topic(&topic, Duration::from_millis(ms)).unwrap(), name);
        }
        assert_eq!(redrive_topic(&topic).unwrap(), "role_events_redrive");
    }
}
