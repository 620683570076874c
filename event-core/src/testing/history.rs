//! What happened to a service under test.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::delivery::{Offset, TopicPartition};
use crate::observe::{Counts, Observation, Observer, SkipReason, Tally};

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

/// What happened, in order.
#[derive(Debug, Default)]
pub struct History {
    tally: Tally,
    handled: Mutex<Vec<Handled>>,
    delays: Mutex<Vec<Duration>>,
    unknown: Mutex<Vec<String>>,
}

impl History {
    /// How many records ended how.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.counts()
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
        self.tally.observe(observation);
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
