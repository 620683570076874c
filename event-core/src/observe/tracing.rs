//! Tells what happens through `tracing`.

use ::tracing::{debug, error, info, warn};

use super::{Observation, Observer, SkipReason};

/// The listener that every service has: it writes events with the target `event_core`.
///
/// Handled and skipped records are told at `debug`, failed attempts at `warn`, dead letters and
/// partitions that wait at `error`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Handled { partition, offset, event, handler, attempt } => {
                debug!(target: "event_core", %partition, %offset, event, handler, attempt, "handled");
            }
            Observation::Skipped { partition, offset, reason } => match reason {
                SkipReason::UnknownEvent(name) => {
                    let event = crate::event::excerpt(name, 64);
                    debug!(target: "event_core", %partition, %offset, event, "skipped: nobody handles it");
                }
                SkipReason::Tombstone => {
                    debug!(target: "event_core", %partition, %offset, "skipped: a tombstone");
                }
                SkipReason::ByHandler(handler) => {
                    debug!(target: "event_core", %partition, %offset, handler, "skipped by its handler");
                }
            },
            Observation::Retrying { partition, offset, handler, attempt, delay, error } => {
                warn!(target: "event_core", %partition, %offset, handler, attempt, ?delay, error, "attempt failed, another follows");
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
            Observation::Committed { partition, next } => {
                debug!(target: "event_core", %partition, %next, "committed");
            }
            Observation::CommitFailed(error) => {
                warn!(target: "event_core", %error, "commit failed, the next one repeats it");
            }
            Observation::Trouble(error) => {
                warn!(target: "event_core", %error, "trouble with the broker");
            }
            Observation::Abandoned { partition, next } => {
                let next = next.map_or(-1, |next| next.0);
                warn!(target: "event_core", %partition, next, "given up at the deadline, will be delivered again");
            }
        }
    }
}

fn list(partitions: &[crate::delivery::TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
