//! What can happen to a service, and who listens.
//!
//! Everything that the engine does is reported once, here, as data. Logs, counts and whatever else
//! wants to know are listeners; without one nothing is formatted and no clock is read.
//!
//! [`Observation`] is that data; the log is the first listener. A record costs one observation. What is rarer (a
//! batch that came, a commit that was sent or acknowledged, partitions that came, left or whose fetch is paused) costs
//! one each. What is emitted of an assignment carries its epoch: a commit that is acknowledged late says to which it
//! belongs.

mod health;
mod ignored_fields;
mod counters;
mod tracing;
mod unknown_names;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::counters::{Counters, Counts};
pub(crate) use self::health::{BlockedWrite, GroupHealth, HealthRules, Suspect};
pub use self::health::{GroupStatus, Health, HealthProblem, PartitionStatus};
pub use self::ignored_fields::{IgnoredFields, IgnoredKind};
pub use self::tracing::TracingObserver;
pub use self::unknown_names::UnknownNames;

use crate::broker::{BrokerError, OffsetReset};
use crate::delivery::{Epoch, NextOffset, Offset, TopicPartition};
use crate::event::{GroupName, IgnoredField, TopicName};

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Observation<'a> {
    /// A handler dealt with a record.
    Handled {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record.
        offset: Offset,
        /// The event's name; `tombstone` for a record without a value, `*` for what is no event.
        event: &'a str,
        /// The handler's id.
        handler: &'a str,
        /// Which attempt it was.
        attempt: u32,
    },
    /// A record was passed over by policy.
    Skipped {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record.
        offset: Offset,
        /// Why.
        reason: SkipReason<'a>,
    },
    /// A field of a record that is about to be handled cannot be read and counts as absent.
    FieldIgnored {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record.
        offset: Offset,
        /// The event's name.
        event: &'a str,
        /// The field and why.
        field: IgnoredField<'a>,
        /// How many of its kind there were by now, this one included.
        count: u64,
    },
    /// An attempt failed and another follows.
    Retrying {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record.
        offset: Offset,
        /// The handler's id.
        handler: &'a str,
        /// The attempt that failed.
        attempt: u32,
        /// How long until the next.
        delay: Duration,
        /// What failed.
        error: &'a str,
    },
    /// All attempts in place failed, and the record waits in a retry topic.
    Postponed {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record.
        offset: Offset,
        /// The handler's id.
        handler: &'a str,
        /// The attempt that failed.
        attempt: u32,
        /// The retry topic.
        topic: &'a str,
        /// How long it waits there.
        delay: Duration,
        /// What failed.
        error: &'a str,
    },
    /// The circuit breaker of a handler is open: it failed every attempt.
    BreakerOpened {
        /// The handler's id.
        handler: &'a str,
        /// How long until a record is tried.
        pause: Duration,
        /// What failed last.
        error: &'a str,
    },
    /// A handler works again.
    BreakerClosed {
        /// The handler's id.
        handler: &'a str,
    },
    /// A handler was paused by a person.
    Paused {
        /// The handler's id.
        handler: &'a str,
    },
    /// A handler goes on again.
    Resumed {
        /// The handler's id.
        handler: &'a str,
    },
    /// Records came from the broker.
    Received {
        /// The partition.
        partition: &'a TopicPartition,
        /// The first record.
        first: Offset,
        /// How many there are.
        records: usize,
    },
    /// A record was written to the dead-letter topic, and the write acknowledged.
    DeadLettered {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record.
        offset: Offset,
        /// The event's name, if it could be read.
        event: Option<&'a str>,
        /// The handler's id, if one was to have it.
        handler: Option<&'a str>,
        /// The code of the reason.
        reason: &'a str,
        /// The reason in words.
        error: &'a str,
    },
    /// A record could not be written to the dead-letter topic; the partition waits.
    DeadLetterFailed {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record.
        offset: Offset,
        /// The dead-letter topic.
        dead_letter_topic: &'a str,
        /// Why.
        error: &'a BrokerError,
    },
    /// Partitions came to this member.
    Assigned {
        /// The new ones, not those that it had before; none for a member that is spare.
        partitions: &'a [TopicPartition],
        /// What is read of them belongs to this epoch.
        epoch: Epoch,
    },
    /// Partitions left this member. Those that came together are reported together.
    Revoked {
        /// The partitions.
        partitions: &'a [TopicPartition],
        /// The epoch that is over for them.
        epoch: Epoch,
        /// Whether they were taken without asking: the membership was over before this was known.
        lost: bool,
    },
    /// An offset was sent to be committed. Its result is [`Observation::Committed`] or
    /// [`Observation::CommitFailed`]. The last one before a partition is revoked is reported only then.
    CommitSent {
        /// The partition.
        partition: &'a TopicPartition,
        /// The epoch of the work that it covers.
        epoch: Epoch,
        /// Where it goes on.
        next: NextOffset,
    },
    /// The broker acknowledged a commit: whoever has the partition next goes on there.
    Committed {
        /// The partition.
        partition: &'a TopicPartition,
        /// The epoch of the work that it covers; it may be over.
        epoch: Epoch,
        /// Where it goes on.
        next: NextOffset,
    },
    /// Something was settled before at the offset of this record or above, and this is another record: the
    /// log was truncated by an unclean leader election, or its topic recreated. Nothing that the last commit
    /// remembers of the partition is believed from here on, and all records run.
    LogChanged {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record.
        offset: Offset,
    },
    /// The position of a partition was not in its log any more: records were removed before they were
    /// read, or the log was truncated. The partition goes on elsewhere.
    OffsetReset(&'a OffsetReset),
    /// A commit failed; the next one repeats it.
    CommitFailed(&'a BrokerError),
    /// Fetching is paused for these partitions: the in-flight byte limit is reached, until
    /// some are settled.
    FetchPaused(&'a [TopicPartition]),
    /// Fetching is resumed for these partitions: records were settled.
    FetchResumed(&'a [TopicPartition]),
    /// The broker does not let the group fetch a topic, or some of its partitions. It is reported again while
    /// that lasts, at longer and longer intervals, up to 5 minutes.
    FetchFailed {
        /// The topic.
        topic: &'a TopicName,
        /// The partitions; none for the topic as a whole.
        partitions: &'a [i32],
        /// Why.
        error: &'a BrokerError,
    },
    /// A topic that could not be fetched can be fetched again.
    FetchRecovered {
        /// The topic.
        topic: &'a TopicName,
    },
    /// The broker reported an error.
    BrokerError(&'a BrokerError),
    /// A record was still in flight at the drain timeout; it will be delivered again.
    Abandoned {
        /// The partition.
        partition: &'a TopicPartition,
        /// The first record that is not settled.
        next: Option<NextOffset>,
        /// What handlers had in flight and what was being written, the oldest first.
        in_flight: &'a [InFlightAttempt],
    },
    /// At a shutdown so many records waited for their next attempt, or for a handler that is paused or whose circuit
    /// breaker is open. They will be delivered again, and their attempts in this process do not count then.
    LeftWaiting {
        /// How many, of those that were taken up.
        records: u64,
    },
    /// A handler has had a record for 30 s, whatever its `timeout` is. It is reported again while that lasts, each
    /// time after twice as long.
    HandlerSlow {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record; of a batch the first.
        offset: Offset,
        /// The handler's id.
        handler: &'a str,
        /// For how long the attempt has gone on.
        since: Duration,
    },
    /// A handler has not let go of its thread for a while: it computes or calls what blocks, and
    /// nothing else runs there.
    Blocked {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record in flight; of a batch the first.
        offset: Offset,
        /// The handler's id.
        handler: &'a str,
        /// For how long.
        since: Duration,
    },
}

/// A record in flight: a handler processes it, or it is being written to another topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlightAttempt {
    /// The handler's id; `None` for a record that no handler is to have.
    pub handler: Option<String>,
    /// Whether it is `blocking`: once begun, nothing cancels it.
    pub is_blocking: bool,
    /// The partition.
    pub partition: TopicPartition,
    /// The record; of a batch the first.
    pub offset: Offset,
    /// The topic for dead letters or retries that it is on its way to, when its handler is done with it.
    pub on_its_way_to: Option<TopicName>,
    /// For how long, to a quarter of a second.
    pub since: Duration,
}

impl fmt::Display for InFlightAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InFlightAttempt { handler, is_blocking, partition, offset, on_its_way_to, since } =
            self;
        let handler = handler.as_deref();
        match (on_its_way_to, handler) {
            (None, _) => {
                let handler = handler.unwrap_or_default();
                write!(f, "`{handler}` has had {partition}@{offset} for {since:.1?}")?;
                match is_blocking {
                    true => f.write_str(", is `blocking`, and goes on if it has begun"),
                    false => Ok(()),
                }
            }
            (Some(topic), Some(handler)) => write!(
                f,
                "{partition}@{offset} of `{handler}` has been on its way to {topic} for {since:.1?}"
            ),
            (Some(topic), None) => {
                write!(f, "{partition}@{offset} has been on its way to {topic} for {since:.1?}")
            }
        }
    }
}

/// Why a record was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason<'a> {
    /// Nobody handles an event of this name.
    UnknownEvent(&'a str),
    /// The record has a null value.
    Tombstone,
    /// It is on a retry or redrive topic for another consumer group.
    OtherGroup,
    /// It was settled before, as the metadata of the last commit says.
    SettledBefore,
    /// The handler, or a layer around it, returned [`Outcome::Skipped`](crate::Outcome::Skipped).
    ByHandler(&'a str),
}

/// Listens to what happens. It is called on the path of every record: it must not block.
pub trait Observer: Send + Sync {
    /// Takes note of `observation`.
    fn observe(&self, observation: &Observation<'_>);

    /// The same, with the consumer group in which it happened. A listener that asks who implements
    /// this one.
    fn observe_in(&self, group: &GroupName, observation: &Observation<'_>) {
        let _ = group;
        self.observe(observation);
    }
}

/// All listeners of a service. Cloning shares them.
#[derive(Clone, Default)]
pub struct Observers {
    all: Arc<[Arc<dyn Observer>]>,
    group: Option<GroupName>,
}

impl Observers {
    /// Notifies every listener.
    pub fn notify(&self, observation: &Observation<'_>) {
        for observer in &*self.all {
            match &self.group {
                Some(group) => observer.observe_in(group, observation),
                None => observer.observe(observation),
            }
        }
    }

    /// The same listeners and one more.
    #[must_use]
    pub fn and(&self, observer: Arc<dyn Observer>) -> Self {
        let all = self.all.iter().cloned().chain([observer]).collect();
        Observers { all, group: self.group.clone() }
    }

    /// The same listeners for what happens in a consumer group.
    #[must_use]
    pub fn in_group(&self, group: &GroupName) -> Self {
        Observers { all: Arc::clone(&self.all), group: Some(group.clone()) }
    }
}

impl FromIterator<Arc<dyn Observer>> for Observers {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Observer>>>(observers: I) -> Self {
        Observers { all: observers.into_iter().collect(), group: None }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.all.len())
    }
}
