//! Counts what became of the records.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::{Observation, Observer, SkipReason};

/// How many records ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Dealt with by a handler.
    pub handled: u64,
    /// Written to a dead-letter topic.
    pub dead_lettered: u64,
    /// Passed over by policy.
    pub skipped: u64,
    /// Failed attempts that were followed by another.
    pub retried: u64,
}

impl Counts {
    /// The records that need no more work.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.handled + self.dead_lettered + self.skipped
    }
}

/// A listener that counts, and can be waited for.
#[derive(Debug, Default)]
pub struct Counters {
    handled: AtomicU64,
    dead_lettered: AtomicU64,
    skipped: AtomicU64,
    retried: AtomicU64,
    changed: Notify,
}

impl Counters {
    /// The counts so far.
    pub fn counts(&self) -> Counts {
        Counts {
            handled: self.handled.load(Ordering::Relaxed),
            dead_lettered: self.dead_lettered.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
        }
    }

    /// Waits until `condition` holds.
    pub async fn wait_until(&self, mut condition: impl FnMut(Counts) -> bool) -> Counts {
        loop {
            let changed = self.changed.notified();
            let counts = self.counts();
            if condition(counts) {
                return counts;
            }
            changed.await;
        }
    }
}

impl Observer for Counters {
    fn observe(&self, observation: &Observation<'_>) {
        let counter = match observation {
            Observation::Handled { .. } => &self.handled,
            Observation::DeadLettered { .. } => &self.dead_lettered,
            // The other group counts it.
            Observation::Skipped { reason: SkipReason::OtherGroup, .. } => return,
            Observation::Skipped { .. } => &self.skipped,
            Observation::Retrying { .. } => &self.retried,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }
}
