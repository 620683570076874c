//! Which dead letters are meant.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::DeadLetter;
use crate::delivery::{Offset, Position};
use crate::event::{GroupName, TopicName, excerpt};

/// Which dead letters are meant. What is not given lets all through.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    /// These letters.
    pub ids: Vec<DeadLetterId>,
    /// Those that came from this topic.
    pub topic: Option<TopicName>,
    /// Those that this handler gave up.
    pub handler: Option<String>,
    /// Those with this code of a reason.
    pub reason: Option<String>,
    /// Those that one of these groups gave up.
    pub groups: Vec<GroupName>,
    /// Those that failed last at this time or later.
    pub since: Option<Timestamp>,
    /// Those that failed last before this time.
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl DeadLetterFilter {
    /// Whether `letter` is meant, whatever the limit.
    #[must_use]
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let id = |id: &DeadLetterId| letter.places().any(|place| id.is(place));
        let failed = letter.failed_at();
        (self.ids.is_empty() || self.ids.iter().any(id))
            && self.topic.as_ref().is_none_or(|topic| *topic == letter.origin.partition.topic)
            && is(&self.handler, letter.handler.as_deref())
            && is(&self.reason, Some(&letter.reason))
            && self.is_group(letter)
            && self.since.is_none_or(|since| failed.is_some_and(|failed| failed >= since))
            && self.until.is_none_or(|until| failed.is_some_and(|failed| failed < until))
    }

    pub(super) fn is_group(&self, letter: &DeadLetter) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| group.as_str() == letter.group)
    }
}

/// Where a dead letter lies: `0@15`, or `role_events_dlq/0@15` where there are several dead-letter
/// topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterId {
    topic: Option<TopicName>,
    partition: i32,
    offset: Offset,
}

/// A text that is no id of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the id of a dead letter\nhelp: write it as `dlq ls` does: `partition@offset`, such as `0@15`"
)]
pub struct DeadLetterIdError(String);

impl DeadLetterId {
    pub(super) fn is(&self, place: &Position) -> bool {
        self.topic.as_ref().is_none_or(|topic| *topic == place.topic)
            && (self.partition, self.offset) == (place.partition, place.offset)
    }
}

impl FromStr for DeadLetterId {
    type Err = DeadLetterIdError;

    fn from_str(text: &str) -> Result<Self, DeadLetterIdError> {
        let read = || {
            let (topic, place) = match text.split_once('/') {
                Some((topic, place)) => (Some(TopicName::foreign(topic).ok()?), place),
                None => (None, text),
            };
            let (partition, offset) = place.split_once('@')?;
            let (partition, offset): (i32, i64) = (partition.parse().ok()?, offset.parse().ok()?);
            let id = DeadLetterId { topic, partition, offset: Offset(offset) };
            (partition >= 0 && offset >= 0).then_some(id)
        };
        read().ok_or_else(|| DeadLetterIdError(excerpt(text, 64)))
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(topic) = &self.topic {
            write!(f, "{topic}/")?;
        }
        write!(f, "{}@{}", self.partition, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_it_is_listed() {
        for id in ["0@15", "role_events_dlq/3@0", "orders.v1_dlq/0@1"] {
            assert_eq!(id.parse::<DeadLetterId>().unwrap().to_string(), id);
        }
        for wrong in ["", "15", "@", "0@", "@15", "-1@5", "0@-1", "/0@1", "a b/0@1", "0@1@2"] {
            assert!(wrong.parse::<DeadLetterId>().is_err(), "{wrong}");
        }
    }
}
