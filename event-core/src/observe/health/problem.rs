//! What can be wrong, and what it means for who runs the service.

use std::fmt;
use std::time::Duration;

use crate::broker::OffsetReset;
use crate::delivery::{Offset, TopicPartition};
use crate::event::{GroupName, TopicName};

/// One thing that is wrong. The table of what it means is in the documentation of
/// [`Health`](super::Health).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthProblem {
    /// A dead letter, or a record for a retry topic, cannot be written, so its partition waits.
    DeadLetterBlocked {
        /// The consumer group.
        group: GroupName,
        /// The waiting partition.
        partition: TopicPartition,
        /// The dead-letter or retry topic.
        dead_letter_topic: String,
        /// What the broker says.
        error: String,
    },
    /// The circuit breaker of a handler is open: it failed every attempt.
    BreakerOpen {
        /// The consumer group.
        group: GroupName,
        /// The handler's id.
        handler: String,
        /// What failed last.
        error: String,
    },
    /// The thread that polls the broker does not come back.
    PollThreadSilent {
        /// The consumer group.
        group: GroupName,
        /// For how long.
        since: Duration,
    },
    /// Records wait and none is settled, although nothing is in the way.
    Stalled {
        /// The consumer group.
        group: GroupName,
        /// The partition that has waited longest.
        partition: TopicPartition,
        /// For how long.
        since: Duration,
    },
    /// A record waits in one partition and nothing happens there, while others of the group go on.
    PartitionStalled {
        /// The consumer group.
        group: GroupName,
        /// The partition.
        partition: TopicPartition,
        /// For how long.
        since: Duration,
    },
    /// The process does not belong to the group, or a member of it for some of its topics does not.
    NotAssigned {
        /// The consumer group.
        group: GroupName,
        /// What is not read; empty for all that the process reads.
        topics: Vec<TopicName>,
        /// For how long: since the start, or since the membership was lost.
        since: Duration,
        /// Whether it belonged to the group before.
        lost: bool,
        /// What the broker refuses, where it said so.
        error: Option<String>,
    },
    /// The broker does not let the group fetch a topic, or some of its partitions.
    FetchFails {
        /// The consumer group.
        group: GroupName,
        /// The topic.
        topic: TopicName,
        /// The partitions; empty for the topic as a whole.
        partitions: Vec<i32>,
        /// What the broker says.
        error: String,
        /// Whether the service is not ready because of it. It goes on without a redrive topic that does not exist.
        is_needed: bool,
        /// For how long.
        since: Duration,
    },
    /// What is settled cannot be committed.
    CommitsFail {
        /// The consumer group.
        group: GroupName,
        /// The partitions of which no commit arrives.
        partitions: Vec<TopicPartition>,
        /// What the broker says.
        error: String,
        /// For how long.
        since: Duration,
    },
    /// The broker does not answer a question about topics and offsets.
    BrokerUnavailable {
        /// What became of the question.
        error: String,
    },
    /// A handler does not let go of its thread.
    HandlerBlocks {
        /// The consumer group.
        group: GroupName,
        /// The handler's id.
        handler: String,
        /// The partition of the record in flight.
        partition: TopicPartition,
        /// The record in flight; of a batch the first.
        offset: Offset,
        /// For how long.
        since: Duration,
    },
    /// A handler has had a record for 30 s.
    HandlerSlow {
        /// The consumer group.
        group: GroupName,
        /// The handler's id.
        handler: String,
        /// The partition of the record.
        partition: TopicPartition,
        /// The record; of a batch the first.
        offset: Offset,
        /// For how long the attempt has gone on.
        since: Duration,
    },
    /// An attempt has been in flight for longer than `liveness_after`.
    InFlightLong {
        /// The consumer group.
        group: GroupName,
        /// The handler's id.
        handler: String,
        /// The partition of the record in flight.
        partition: TopicPartition,
        /// The record in flight; of a batch the first.
        offset: Offset,
        /// For how long the attempt has gone on.
        since: Duration,
    },
    /// The position of a partition was not in its log any more, and it went on elsewhere.
    OffsetReset {
        /// The consumer group.
        group: GroupName,
        /// What happened.
        reset: OffsetReset,
        /// How long ago.
        since: Duration,
    },
    /// The service was asked to stop.
    ShuttingDown,
}

impl HealthProblem {
    /// A stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            HealthProblem::DeadLetterBlocked { .. } => "dead_letter_blocked",
            HealthProblem::BreakerOpen { .. } => "breaker_open",
            HealthProblem::PollThreadSilent { .. } => "poll_thread_silent",
            HealthProblem::Stalled { .. } => "stalled",
            HealthProblem::PartitionStalled { .. } => "partition_stalled",
            HealthProblem::NotAssigned { .. } => "not_assigned",
            HealthProblem::FetchFails { .. } => "fetch_fails",
            HealthProblem::CommitsFail { .. } => "commits_fail",
            HealthProblem::BrokerUnavailable { .. } => "broker_unavailable",
            HealthProblem::HandlerBlocks { .. } => "handler_blocks",
            HealthProblem::HandlerSlow { .. } => "handler_slow",
            HealthProblem::InFlightLong { .. } => "in_flight_long",
            HealthProblem::OffsetReset { .. } => "offset_reset",
            HealthProblem::ShuttingDown => "shutting_down",
        }
    }

    /// The consumer group that it is of; `None` when it is of the whole service.
    #[must_use]
    pub fn group(&self) -> Option<&GroupName> {
        match self {
            HealthProblem::DeadLetterBlocked { group, .. }
            | HealthProblem::BreakerOpen { group, .. }
            | HealthProblem::PollThreadSilent { group, .. }
            | HealthProblem::Stalled { group, .. }
            | HealthProblem::PartitionStalled { group, .. }
            | HealthProblem::NotAssigned { group, .. }
            | HealthProblem::FetchFails { group, .. }
            | HealthProblem::CommitsFail { group, .. }
            | HealthProblem::HandlerBlocks { group, .. }
            | HealthProblem::HandlerSlow { group, .. }
            | HealthProblem::InFlightLong { group, .. }
            | HealthProblem::OffsetReset { group, .. } => Some(group),
            HealthProblem::BrokerUnavailable { .. } | HealthProblem::ShuttingDown => None,
        }
    }

    /// Whether the process cannot do its work, and a restart may help.
    #[must_use]
    pub fn ends_liveness(&self) -> bool {
        matches!(self, HealthProblem::PollThreadSilent { .. } | HealthProblem::Stalled { .. })
    }

    /// Whether records are not dealt with as they should be.
    #[must_use]
    pub fn ends_readiness(&self) -> bool {
        !matches!(
            self,
            HealthProblem::BreakerOpen { .. }
                | HealthProblem::HandlerBlocks { .. }
                | HealthProblem::HandlerSlow { .. }
                | HealthProblem::OffsetReset { .. }
                | HealthProblem::FetchFails { is_needed: false, .. }
        )
    }
}

impl fmt::Display for HealthProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HealthProblem::DeadLetterBlocked { group, partition, dead_letter_topic, error } => {
                write!(
                    f,
                    "{partition} waits in group `{group}`, because a record cannot be written to `{dead_letter_topic}`: {error}"
                )
            }
            HealthProblem::BreakerOpen { handler, error, .. } => {
                write!(f, "`{handler}` fails every attempt; its circuit breaker is open: {error}")
            }
            HealthProblem::PollThreadSilent { group, since } => {
                write!(
                    f,
                    "the thread that polls for group `{group}` has been silent for {since:.0?}"
                )
            }
            HealthProblem::Stalled { group, partition, since } => write!(
                f,
                "group `{group}` has settled no record for {since:.0?}, and records wait in {partition}"
            ),
            HealthProblem::PartitionStalled { group, partition, since } => write!(
                f,
                "group `{group}` has made no progress in {partition} for {since:.0?}, and a record waits there"
            ),
            HealthProblem::NotAssigned { group, topics, since, lost, error } => {
                let topics: Vec<_> = topics.iter().map(|topic| format!("`{topic}`")).collect();
                match (topics.is_empty(), lost) {
                    (false, _) => write!(
                        f,
                        "group `{group}` has had no member in this process for {} for {since:.0?}, so these topics are not read",
                        topics.join(", ")
                    ),
                    (true, false) => write!(
                        f,
                        "group `{group}` has not confirmed the membership of this process in the {since:.0?} since the start"
                    ),
                    (true, true) => write!(
                        f,
                        "group `{group}` removed this process {since:.0?} ago, and it has not rejoined"
                    ),
                }?;
                match error {
                    Some(error) => write!(f, ": {error}"),
                    None if topics.is_empty() => Ok(()),
                    None => f.write_str("; see the log"),
                }
            }
            HealthProblem::FetchFails { group, topic, partitions, error, since, .. } => {
                let numbers: Vec<_> = partitions.iter().map(ToString::to_string).collect();
                let which = match numbers.len() {
                    0 => String::new(),
                    1 => format!("partition {} of ", numbers[0]),
                    _ => format!("partitions {} of ", numbers.join(", ")),
                };
                write!(
                    f,
                    "group `{group}` has not been able to fetch {which}topic `{topic}` for {since:.0?}: {error}"
                )
            }
            HealthProblem::CommitsFail { group, partitions, error, since } => {
                let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
                let names = names.join(", ");
                write!(
                    f,
                    "group `{group}` has not been able to commit {names} for {since:.0?}: {error}"
                )
            }
            HealthProblem::BrokerUnavailable { error } => {
                write!(f, "the broker does not answer: {error}")
            }
            HealthProblem::HandlerBlocks { handler, partition, offset, since, .. } => write!(
                f,
                "`{handler}` has blocked its thread for {since:.0?} with {partition}@{offset}: make it `blocking`, or use `.await`"
            ),
            HealthProblem::HandlerSlow { handler, partition, offset, since, .. } => write!(
                f,
                "`{handler}` has had {partition}@{offset} for {since:.0?}: a `timeout` limits an attempt (a `blocking` handler must return by itself)"
            ),
            HealthProblem::InFlightLong { handler, partition, offset, since, .. } => write!(
                f,
                "`{handler}` has had {partition}@{offset} in flight for {since:.0?}: set a `timeout` (a `blocking` handler must return by itself), or set `liveness_after` above its longest run"
            ),
            HealthProblem::OffsetReset { group, reset, since } => write!(
                f,
                "group `{group}` reset its offset in {} to {} from {} ({} offsets) {since:.0?} ago: {}",
                reset.partition,
                reset.to,
                reset.from,
                reset.records(),
                reset.reason
            ),
            HealthProblem::ShuttingDown => f.write_str("the service is shutting down"),
        }
    }
}
