//! Tells what happens through `tracing`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ::tracing::{debug, error, info, warn};

use super::{Observation, Observer, SkipReason};

/// The listener that every service has: it writes events with the target `event_core`.
///
/// Handled and skipped records are told at `debug`, failed attempts at `warn`, dead letters and
/// partitions that wait at `error`. The names of events that nobody handles are counted, and told
/// at `warn` with the first record and then with the 10th, 100th and so on: a name that is spelt
/// wrongly at the other end must not go unseen.
#[derive(Debug, Default)]
pub struct TracingObserver {
    unknown: Mutex<BTreeMap<String, u64>>,
}

// Beyond so many names they are counted as one: the names come from outside.
const MAX_UNKNOWN_NAMES: usize = 1000;

impl TracingObserver {
    fn count_unknown(&self, name: &str) -> (String, u64) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let name = crate::event::excerpt(name, 64);
        let known = unknown.len() < MAX_UNKNOWN_NAMES || unknown.contains_key(&name);
        let name = if known { name } else { "(other names)".to_owned() };
        let count = unknown.entry(name.clone()).or_default();
        *count += 1;
        (name, *count)
    }
}

impl Observer for TracingObserver {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Handled { partition, offset, event, handler, attempt } => {
                debug!(target: "event_core", %partition, %offset, event, handler, attempt, "handled");
            }
            Observation::Skipped { partition, offset, reason } => match reason {
                SkipReason::UnknownEvent(name) => {
                    let (event, count) = self.count_unknown(name);
                    if count.checked_ilog10().is_some_and(|digits| count == 10_u64.pow(digits)) {
                        warn!(target: "event_core", %partition, %offset, event, count, "skipped: nobody handles it");
                    } else {
                        debug!(target: "event_core", %partition, %offset, event, count, "skipped: nobody handles it");
                    }
                }
                SkipReason::Tombstone => {
                    debug!(target: "event_core", %partition, %offset, "skipped: a tombstone");
                }
                SkipReason::OtherGroup => {
                    debug!(target: "event_core", %partition, %offset, "skipped: for another group");
                }
                SkipReason::SettledBefore => {
                    debug!(target: "event_core", %partition, %offset, "skipped: settled before");
                }
                SkipReason::ByHandler(handler) => {
                    debug!(target: "event_core", %partition, %offset, handler, "skipped by its handler");
                }
            },
            Observation::Retrying { partition, offset, handler, attempt, delay, error } => {
                warn!(target: "event_core", %partition, %offset, handler, attempt, ?delay, error, "attempt failed, another follows");
            }
            Observation::Postponed { partition, offset, handler, attempt, topic, delay, error } => {
                warn!(target: "event_core", %partition, %offset, handler, attempt, topic, ?delay, error, "attempts failed, waits in a retry topic");
            }
            Observation::BreakerOpened { handler, pause, error } => {
                error!(target: "event_core", handler, ?pause, error, "fails every time, left alone for a while");
            }
            Observation::BreakerClosed { handler } => {
                info!(target: "event_core", handler, "works again");
            }
            Observation::Paused { handler } => info!(target: "event_core", handler, "paused"),
            Observation::Resumed { handler } => info!(target: "event_core", handler, "resumed"),
            Observation::Received { partition, first, records } => {
                debug!(target: "event_core", %partition, %first, records, "received");
            }
            Observation::DeadLettered { partition, offset, reason, error } => {
                error!(target: "event_core", %partition, %offset, reason, error, "dead-lettered");
            }
            Observation::DeadLetterFailed { partition, offset, dead_letter_topic, error } => {
                error!(target: "event_core", %partition, %offset, dead_letter_topic, %error, "dead letter not written, the partition waits");
            }
            Observation::Assigned(partitions) => {
                info!(target: "event_core", partitions = %list(partitions), "assigned");
            }
            Observation::Revoked(partitions) => {
                info!(target: "event_core", partitions = %list(partitions), "revoked");
            }
            Observation::CommitSent { partition, next } => {
                debug!(target: "event_core", %partition, %next, "commit sent");
            }
            Observation::CommitFailed(error) => {
                warn!(target: "event_core", %error, "commit failed, the next one repeats it");
            }
            Observation::Trouble(error) => {
                warn!(target: "event_core", %error, "trouble with the broker");
            }
            Observation::Abandoned { partition, next, in_hand } => {
                let next = next.map_or(-1, |next| next.0);
                let in_hand =
                    in_hand.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                warn!(target: "event_core", %partition, next, in_hand, "given up at the deadline, will be delivered again");
            }
            Observation::Blocked { partition, offset, handler, since } => {
                warn!(target: "event_core", %partition, %offset, handler, ?since, "blocks its thread: make it `blocking`, or let it wait with `.await`");
            }
        }
    }
}

fn list(partitions: &[crate::delivery::TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_are_counted_within_bounds() {
        let observer = TracingObserver::default();
        assert_eq!(observer.count_unknown("A").1, 1);
        assert_eq!(observer.count_unknown("A").1, 2);
        for number in 0..5000 {
            observer.count_unknown(&format!("N{number}"));
        }
        assert_eq!(observer.count_unknown("A"), ("A".to_owned(), 3));
        assert_eq!(observer.count_unknown("new").0, "(other names)");
        assert!(observer.unknown.lock().unwrap().len() <= MAX_UNKNOWN_NAMES + 1);
    }
}
