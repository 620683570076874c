//! Logs what happens through `tracing`.

use super::{Observation, Observer, SkipReason, UnknownNames};
use crate::broker::{BrokerError, ResetReason};
use crate::event::GroupName;

// An event with the group first, where there is one to name.
macro_rules! emit {
    ($level:ident, $group:expr, $($what:tt)*) => {
        ::tracing::$level!(target: "event_core", group = $group, $($what)*)
    };
}

/// The listener that every service has: it writes events with the target `event_core`.
///
/// Handled and skipped records, commits and fetches are logged at `debug`, failed attempts at `warn`, dead letters and
/// partitions that wait at `error`. The names of events that nobody handles are counted, and logged
/// at `warn` with the first record and then with the 10th, 100th and so on: a name that is spelt
/// wrongly at the other end must not go unseen. Of the fields that cannot be read and count as absent,
/// the first of each topic, event and kind is logged at `warn`, the others at `debug`.
#[derive(Debug, Default)]
pub struct TracingObserver {
    unknown: UnknownNames,
    names_groups: bool,
}

impl Observer for TracingObserver {
    fn observe(&self, observation: &Observation<'_>) {
        self.emit(None, observation);
    }

    fn observe_in(&self, group: &GroupName, observation: &Observation<'_>) {
        self.emit(self.names_groups.then_some(group.as_str()), observation);
    }
}

impl TracingObserver {
    /// One for a service of several consumer groups, which says in which of them it was.
    #[must_use]
    pub fn naming_groups(self) -> Self {
        TracingObserver { names_groups: true, ..self }
    }

    /// Counts the events that nobody handles there.
    pub(crate) fn counting_in(self, unknown: &UnknownNames) -> Self {
        TracingObserver { unknown: unknown.clone(), ..self }
    }

    fn emit(&self, group: Option<&str>, observation: &Observation<'_>) {
        match observation {
            Observation::Handled { partition, offset, event, handler, attempt } => {
                emit!(debug, group, %partition, %offset, event, handler, attempt, "handled");
            }
            Observation::Skipped { partition, offset, reason } => match reason {
                SkipReason::UnknownEvent(name) => {
                    let (event, count) = self.unknown.count(name);
                    if count.checked_ilog10().is_some_and(|digits| count == 10_u64.pow(digits)) {
                        emit!(warn, group, %partition, %offset, event, count, "skipped: no handler takes the event");
                    } else {
                        emit!(debug, group, %partition, %offset, event, count, "skipped: no handler takes the event");
                    }
                }
                SkipReason::Tombstone => {
                    emit!(debug, group, %partition, %offset, "skipped: a tombstone");
                }
                SkipReason::OtherGroup => {
                    emit!(debug, group, %partition, %offset, "skipped: for another group");
                }
                SkipReason::SettledBefore => {
                    emit!(debug, group, %partition, %offset, "skipped: settled before");
                }
                SkipReason::ByHandler(handler) => {
                    emit!(debug, group, %partition, %offset, handler, "skipped by its handler");
                }
            },
            Observation::FieldIgnored { partition, offset, event, field, count } => {
                let event = crate::event::excerpt(event, 64);
                match *count {
                    1 => emit!(warn, group, %partition, %offset, event, "{field}"),
                    _ => emit!(debug, group, %partition, %offset, event, count, "{field}"),
                }
            }
            Observation::Retrying { partition, offset, handler, attempt, delay, error } => {
                emit!(warn, group, %partition, %offset, handler, attempt, ?delay, error, "attempt failed; retrying");
            }
            Observation::Postponed { partition, offset, handler, attempt, topic, delay, error } => {
                emit!(warn, group, %partition, %offset, handler, attempt, topic, ?delay, error, "attempts failed; sent to a retry topic");
            }
            Observation::BreakerOpened { handler, pause, error } => {
                emit!(error, group, handler, ?pause, error, "circuit breaker open");
            }
            Observation::BreakerClosed { handler } => {
                emit!(info, group, handler, "circuit breaker closed");
            }
            Observation::Paused { handler } => emit!(info, group, handler, "paused"),
            Observation::Resumed { handler } => emit!(info, group, handler, "resumed"),
            Observation::Received { partition, first, records } => {
                emit!(debug, group, %partition, %first, records, "received");
            }
            Observation::DeadLettered { partition, offset, event, handler, reason, error } => {
                emit!(error, group, %partition, %offset, event, handler, reason, error, "dead-lettered");
            }
            Observation::DeadLetterFailed { partition, offset, dead_letter_topic, error } => {
                emit!(error, group, %partition, %offset, dead_letter_topic, %error, "dead letter not written; the partition waits");
            }
            // One that had some before gets none in addition, a spare one none at all.
            Observation::Assigned { partitions: [], epoch } => {
                emit!(info, group, epoch = epoch.0, "assigned no further partitions");
            }
            Observation::Assigned { partitions, epoch } => {
                emit!(info, group, partitions = %list(partitions), epoch = epoch.0, "assigned");
            }
            Observation::Revoked { partitions, epoch, .. } => {
                emit!(info, group, partitions = %list(partitions), epoch = epoch.0, "revoked");
            }
            Observation::CommitSent { partition, epoch, next } => {
                emit!(trace, group, %partition, epoch = epoch.0, %next, "commit sent");
            }
            Observation::Committed { partition, epoch, next } => {
                emit!(debug, group, %partition, epoch = epoch.0, %next, "committed");
            }
            Observation::FetchPaused(partitions) => {
                emit!(debug, group, partitions = %list(partitions), "fetch paused: in-flight byte limit reached");
            }
            Observation::FetchResumed(partitions) => {
                emit!(debug, group, partitions = %list(partitions), "fetch resumed");
            }
            Observation::LogChanged { partition, offset } => {
                emit!(warn, group, %partition, %offset, "log truncated or topic recreated; remembered offsets discarded");
            }
            Observation::CommitFailed(error @ BrokerError::Rebalancing(_)) => {
                emit!(debug, group, %error, "commit refused during a rebalance; the next commit repeats it");
            }
            Observation::OffsetReset(reset) => {
                let (partition, from, to) = (&reset.partition, reset.from, reset.to);
                let records = reset.records();
                match reset.reason {
                    ResetReason::OutOfRange => {
                        emit!(error, group, %partition, %from, %to, records, "offset out of range: records were removed before they were read; offset reset to the log start");
                    }
                    ResetReason::LogTruncated => {
                        emit!(error, group, %partition, %from, %to, records, "the log was truncated or its topic recreated, the partition goes on at the offset `to`");
                    }
                }
            }
            Observation::CommitFailed(error) => {
                emit!(warn, group, %error, "commit failed; the next commit repeats it");
            }
            Observation::FetchFailed { topic, partitions, error } => {
                emit!(error, group, %topic, ?partitions, %error, "fetch failed; the records of the topic wait");
            }
            Observation::FetchRecovered { topic } => {
                emit!(info, group, %topic, "fetch works again");
            }
            Observation::BrokerError(error @ BrokerError::NotJoined(_)) => {
                emit!(error, group, %error, "not joined");
            }
            Observation::BrokerError(error) => {
                emit!(warn, group, %error, "broker error");
            }
            Observation::Abandoned { partition, next, in_flight } => {
                let next = next.map_or(-1, |next| next.0);
                let in_flight =
                    in_flight.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                emit!(warn, group, %partition, next, in_flight, "drain timeout reached; the records in flight are delivered again");
            }
            Observation::LeftWaiting { records } => {
                emit!(
                    warn,
                    group,
                    records,
                    "stopped while records wait for a retry or for their handler; the next start delivers them again, with the first attempt"
                );
            }
            Observation::HandlerSlow { partition, offset, handler, since } => {
                emit!(warn, group, %partition, %offset, handler, ?since, "slow handler: a `timeout` limits an attempt (a `blocking` handler must return by itself)");
            }
            Observation::Blocked { partition, offset, handler, since } => {
                emit!(warn, group, %partition, %offset, handler, ?since, "handler blocks its thread: make it `blocking`, or use `.await`");
            }
        }
    }
}

fn list(partitions: &[crate::delivery::TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};

    use ::tracing::field::{Field, Visit};
    use ::tracing::{Event, Metadata, Subscriber, span, subscriber};

    use super::*;

    /// Notes the fields of events.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<String>>);

    impl Visit for Log {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
        }
    }

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn an_assignment_without_partitions_says_so() {
        let log = Log::default();
        let observation =
            Observation::Assigned { partitions: &[], epoch: crate::delivery::Epoch(3) };
        subscriber::with_default(log.clone(), || TracingObserver::default().observe(&observation));
        assert_eq!(*log.0.lock().unwrap(), "message=assigned no further partitions epoch=3 ");
    }

    #[test]
    fn a_service_of_several_groups_says_in_which_of_them_it_was() {
        let group = GroupName::parse("billing").unwrap();
        let observation = Observation::BreakerClosed { handler: "bill" };
        for (observer, expected) in [
            (TracingObserver::default(), "message=circuit breaker closed handler=\"bill\" "),
            (
                TracingObserver::default().naming_groups(),
                "message=circuit breaker closed group=\"billing\" handler=\"bill\" ",
            ),
        ] {
            let log = Log::default();
            subscriber::with_default(log.clone(), || observer.observe_in(&group, &observation));
            assert_eq!(*log.0.lock().unwrap(), expected);
        }
    }
}
