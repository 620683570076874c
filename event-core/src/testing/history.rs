//! What happened to a service under test.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::{Offset, TopicPartition};
use crate::observe::{Counters, Counts, Observation, Observer, SkipReason};

/// A record that a handler dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// The partition.
    pub partition: TopicPartition,
    /// The record.
    pub offset: Offset,
    /// The event's name.
    pub event: String,
    /// The handler's id: its module path without the crate, and its name.
    pub handler: String,
    /// The attempt that succeeded.
    pub attempt: u32,
}

/// One thing that happened. As text it is one line, without what is never the same twice (the
/// words of errors, times of day), so that two runs can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// How long after the service was started for the first time, by the test's clock.
    pub at: Duration,
    /// What it was, as one word: `received`, `handled`, `skipped`, `retrying`, `postponed`,
    /// `dead-lettered`, `dead-letter-failed`, `assigned`, `revoked`, `commit-sent`, `committed`,
    /// `commit-failed`, `fetch-paused`, `fetch-resumed`, `fetch-failed`, `fetch-recovered`, `breaker-opened`,
    /// `breaker-closed`, `paused`, `resumed`, `blocked`, `broker-error`, `abandoned`, `left-waiting`, `log-changed`,
    /// `offset-reset`, `field-ignored`, `handler-slow`.
    pub what: &'static str,
    /// The partition it happened to, if it was one.
    pub partition: Option<TopicPartition>,
    /// The record it happened to, if it was one; with `commit-sent`, `committed` and `abandoned`, where the
    /// partition goes on.
    pub offset: Option<Offset>,
    /// The rest in words.
    pub detail: String,
}

impl fmt::Display for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.6} {}", self.at.as_secs_f64(), self.what)?;
        if let Some(partition) = &self.partition {
            write!(f, " {partition}")?;
        }
        if let Some(offset) = &self.offset {
            write!(f, "@{offset}")?;
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, " {}", self.detail) }
    }
}

impl RecordedEvent {
    /// Takes down an observation of now; `start` is when the service began.
    #[must_use]
    pub fn now(start: Instant, observation: &Observation<'_>) -> Self {
        let list = |partitions: &[TopicPartition]| {
            partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let (what, place, detail) = match observation {
            Observation::Handled { partition, offset, event, handler, attempt } => {
                let detail = format!("{event} by {handler}, attempt {attempt}");
                ("handled", Some((*partition, Some(*offset))), detail)
            }
            Observation::Skipped { partition, offset, reason } => {
                ("skipped", Some((*partition, Some(*offset))), format!("{reason:?}"))
            }
            Observation::FieldIgnored { partition, offset, field, .. } => {
                let detail = format!("{} {}", field.name, field.reason.code());
                ("field-ignored", Some((*partition, Some(*offset))), detail)
            }
            Observation::Retrying { partition, offset, handler, attempt, delay, .. } => {
                let detail = format!("{handler} after attempt {attempt} in {delay:?}");
                ("retrying", Some((*partition, Some(*offset))), detail)
            }
            Observation::DeadLettered { partition, offset, reason, .. } => {
                ("dead-lettered", Some((*partition, Some(*offset))), (*reason).to_owned())
            }
            Observation::DeadLetterFailed { partition, offset, dead_letter_topic, .. } => {
                let detail = format!("to {dead_letter_topic}");
                ("dead-letter-failed", Some((*partition, Some(*offset))), detail)
            }
            Observation::Assigned { partitions, .. } => ("assigned", None, list(partitions)),
            Observation::Revoked { partitions, .. } => ("revoked", None, list(partitions)),
            Observation::FetchPaused(partitions) => ("fetch-paused", None, list(partitions)),
            Observation::FetchResumed(partitions) => ("fetch-resumed", None, list(partitions)),
            Observation::CommitSent { partition, next, .. } => {
                ("commit-sent", Some((*partition, Some(Offset(next.0)))), String::new())
            }
            Observation::LogChanged { partition, offset } => {
                ("log-changed", Some((*partition, Some(*offset))), String::new())
            }
            Observation::FetchFailed { topic, error, .. } => {
                ("fetch-failed", None, format!("{topic}: {error}"))
            }
            Observation::FetchRecovered { topic } => ("fetch-recovered", None, topic.to_string()),
            Observation::OffsetReset(reset) => {
                let detail = format!("{}, to {}", reset.reason, reset.to);
                ("offset-reset", Some((&reset.partition, Some(Offset(reset.from.0)))), detail)
            }
            Observation::Committed { partition, next, .. } => {
                ("committed", Some((*partition, Some(Offset(next.0)))), String::new())
            }
            Observation::CommitFailed(..) => ("commit-failed", None, String::new()),
            Observation::BrokerError(..) => ("broker-error", None, String::new()),
            Observation::Abandoned { partition, next, .. } => {
                let next = next.map(|next| Offset(next.0));
                ("abandoned", Some((*partition, next)), String::new())
            }
            Observation::Received { partition, first, records } => {
                ("received", Some((*partition, Some(*first))), format!("{records} records"))
            }
            Observation::Postponed { partition, offset, handler, attempt, topic, .. } => {
                let detail = format!("{handler} after attempt {attempt}, waits in {topic}");
                ("postponed", Some((*partition, Some(*offset))), detail)
            }
            Observation::BreakerOpened { handler, pause, .. } => {
                ("breaker-opened", None, format!("{handler} for {pause:?}"))
            }
            Observation::LeftWaiting { records } => ("left-waiting", None, records.to_string()),
            Observation::BreakerClosed { handler } => {
                ("breaker-closed", None, (*handler).to_owned())
            }
            Observation::Paused { handler } => ("paused", None, (*handler).to_owned()),
            Observation::Resumed { handler } => ("resumed", None, (*handler).to_owned()),
            Observation::HandlerSlow { partition, offset, handler, .. } => {
                ("handler-slow", Some((*partition, Some(*offset))), (*handler).to_owned())
            }
            Observation::Blocked { partition, offset, handler, .. } => {
                ("blocked", Some((*partition, Some(*offset))), (*handler).to_owned())
            }
        };
        let (partition, offset) = place.unzip();
        RecordedEvent {
            at: start.elapsed(),
            what,
            partition: partition.cloned(),
            offset: offset.flatten(),
            detail,
        }
    }
}

/// What happened, in order.
#[derive(Debug)]
pub struct History {
    start: Instant,
    counters: Counters,
    all: Mutex<Vec<RecordedEvent>>,
    handled: Mutex<Vec<Handled>>,
    delays: Mutex<Vec<Duration>>,
    unknown: Mutex<Vec<String>>,
}

impl Default for History {
    fn default() -> Self {
        History {
            start: Instant::now(),
            counters: Counters::default(),
            all: Mutex::default(),
            handled: Mutex::default(),
            delays: Mutex::default(),
            unknown: Mutex::default(),
        }
    }
}

impl History {
    /// Everything, in order.
    #[must_use]
    pub fn all(&self) -> Vec<RecordedEvent> {
        lock(&self.all).clone()
    }

    /// How many records ended how.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counters.counts()
    }

    /// The records of `event` that were handled, in order.
    #[must_use]
    pub fn handled(&self, event: &str) -> Vec<Handled> {
        lock(&self.handled).iter().filter(|handled| handled.event == event).cloned().collect()
    }

    /// The delays before further attempts, in order.
    #[must_use]
    pub fn delays(&self) -> Vec<Duration> {
        lock(&self.delays).clone()
    }

    /// The names of the events that nobody handles, in order.
    #[must_use]
    pub fn unknown_events(&self) -> Vec<String> {
        lock(&self.unknown).clone()
    }
}

impl Observer for History {
    fn observe(&self, observation: &Observation<'_>) {
        self.counters.observe(observation);
        lock(&self.all).push(RecordedEvent::now(self.start, observation));
        match observation {
            Observation::Handled { partition, offset, event, handler, attempt } => {
                lock(&self.handled).push(Handled {
                    partition: (*partition).clone(),
                    offset: *offset,
                    event: (*event).to_owned(),
                    handler: (*handler).to_owned(),
                    attempt: *attempt,
                });
            }
            Observation::Retrying { delay, .. } => lock(&self.delays).push(*delay),
            Observation::Skipped { reason: SkipReason::UnknownEvent(name), .. } => {
                lock(&self.unknown).push((*name).to_owned());
            }
            _ => {}
        }
    }
}

// The lists are whole after any panic, so a poisoned lock is used as it is.
fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_word_of_what_happened_is_documented() {
        let (above, below) = include_str!("history.rs").split_once("pub what: &").unwrap();
        let (_, documented) = above.rsplit_once("as one word:").unwrap();
        let words = below.split("(\"").skip(1).filter_map(|rest| {
            let (word, after) = rest.split_once("\", ")?;
            (after.starts_with("Some((") || after.starts_with("None,")).then_some(word)
        });
        let words: Vec<_> = words.collect();
        assert!(words.len() > 20, "{words:?}");
        for word in words {
            assert!(documented.contains(&format!("`{word}`")), "`{word}` is not documented");
        }
    }
}
