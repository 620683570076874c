//! Counts the fields of events that cannot be read and count as absent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{IgnoredField, IgnoredReason, TopicName, excerpt};

// Beyond so many kinds no new one is counted: the names of events come from outside.
const MAX_KINDS: usize = 1000;

/// How many fields of each kind counted as absent, because they could not be read. It holds 1000 kinds;
/// what comes beyond is counted as of the event `(other events)`. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct IgnoredFields(Arc<Mutex<BTreeMap<IgnoredKind, u64>>>);

/// A field of an event of a topic, and why it could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IgnoredKind {
    /// The topic.
    pub topic: TopicName,
    /// The start of the event's name.
    pub event: String,
    /// The field, such as `eventId`; `timestamp` for that of the record.
    pub field: &'static str,
    /// Why.
    pub reason: IgnoredReason,
}

impl fmt::Display for IgnoredKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IgnoredKind { topic, event, field, reason } = self;
        write!(f, "{topic} / {event} {field}: {}", reason.code())
    }
}

impl IgnoredFields {
    /// Counts one; gives back how many there are of its kind by now.
    pub(crate) fn count(&self, topic: &TopicName, event: &str, field: IgnoredField<'_>) -> u64 {
        let IgnoredField { name, reason, .. } = field;
        let kind = |event| IgnoredKind { topic: topic.clone(), event, field: name, reason };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = kind(excerpt(event, 64));
        if counts.len() >= MAX_KINDS && !counts.contains_key(&key) {
            key = kind("(other events)".to_owned());
        }
        let count = counts.entry(key).or_default();
        *count += 1;
        *count
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<IgnoredKind, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_from_outside_are_counted_within_bounds() {
        let (fields, topic) = (IgnoredFields::default(), TopicName::from_static("role_events"));
        let field = |reason| IgnoredField { name: "occurredAt", reason, value: "7" };
        let out_of_range = field(IgnoredReason::OutOfRange);
        assert_eq!(fields.count(&topic, "A", out_of_range), 1);
        assert_eq!(fields.count(&topic, "A", out_of_range), 2);
        assert_eq!(fields.count(&topic, "B", out_of_range), 1);
        assert_eq!(fields.count(&topic, "A", field(IgnoredReason::NoZone)), 1);
        for number in 0..5000 {
            fields.count(&topic, &format!("N{number}"), out_of_range);
        }
        assert_eq!(fields.count(&topic, "A", out_of_range), 3);
        let counts = fields.counts();
        assert!(counts.len() <= MAX_KINDS + 1);
        let (first, _) = counts.first_key_value().unwrap();
        assert_eq!(first.to_string(), "role_events / (other events) occurredAt: out_of_range");
    }
}
