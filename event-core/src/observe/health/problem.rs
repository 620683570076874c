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
    /// A handler fails every time and is left alone for a while.
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
    BrokerTrouble {
        /// What became of the question.
        error: String,
    },
    /// A handler does not let go of its thread.
    HandlerBlocks {
        /// The consumer group.
        group: GroupName,
        /// The handler's id.
        handler: String,
        /// The partition of the record in hand.
        partition: TopicPartition,
        /// The record in hand; of a batch the first.
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
    /// A handler has had a record in hand for longer than it may take.
    InHandLong {
        /// The consumer group.
        group: GroupName,
        /// The handler's id.
        handler: String,
        /// The partition of the record in hand.
        partition: TopicPartition,
        /// The record in hand; of a batch the first.
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
    /// The service was told to end.
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
            HealthProblem::BrokerTrouble { .. } => "broker_trouble",
            HealthProblem::HandlerBlocks { .. } => "handler_blocks",
            HealthProblem::HandlerSlow { .. } => "handler_slow",
            HealthProblem::InHandLong { .. } => "in_hand_long",
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
            | HealthProblem::InHandLong { group, .. }
            | HealthProblem::OffsetReset { group, .. } => Some(group),
            HealthProblem::BrokerTrouble { .. } | HealthProblem::ShuttingDown => None,
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
                write!(f, "`{handler}` fails every time and is left alone for a while: {error}")
            }
            HealthProblem::PollThreadSilent { group, since } => {
                write!(
                    f,
                    "the thread that polls for group `{group}` has been silent for {since:.0?}"
                )
            }
            HealthProblem::Stalled { group, partition, since } => write!(
                f,
                "group `{group}` has settled nothing for {since:.0?}, although records wait in {partition}"
            ),
            HealthProblem::PartitionStalled { group, partition, since } => write!(
                f,
                "group `{group}` has not come further in {partition} for {since:.0?}, although a record waits there"
            ),
            HealthProblem::NotAssigned { group, topics, since, lost, error } => {
                let topics: Vec<_> = topics.iter().map(|topic| format!("`{topic}`")).collect();
                match (topics.is_empty(), lost) {
                    (false, _) => write!(
                        f,
                        "group `{group}` has not had a member of this process for {} for {since:.0?}, so that nothing is read there",
                        topics.join(", ")
                    ),
                    (true, false) => write!(
                        f,
                        "group `{group}` has not answered in the {since:.0?} since the start that this process is a member"
                    ),
                    (true, true) => write!(
                        f,
                        "group `{group}` took all partitions from this process {since:.0?} ago, without asking, and has not let it in again"
                    ),
                }?;
                match error {
                    Some(error) => write!(f, ": {error}"),
                    None if topics.is_empty() => Ok(()),
                    None => f.write_str(": the log says why"),
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
            HealthProblem::BrokerTrouble { error } => {
                write!(f, "the broker does not answer: {error}")
            }
            HealthProblem::HandlerBlocks { handler, partition, offset, since, .. } => write!(
                f,
                "`{handler}` has blocked its thread for {since:.0?} with {partition}@{offset}: make it `blocking`, or let it wait with `.await`"
            ),
            HealthProblem::HandlerSlow { handler, partition, offset, since, .. } => write!(
                f,
                "`{handler}` has had {partition}@{offset} for {since:.0?}: a `timeout` limits an attempt (what is `blocking` has to end by itself)"
            ),
            HealthProblem::InHandLong { handler, partition, offset, since, .. } => write!(
                f,
                "`{handler}` has had {partition}@{offset} in hand for {since:.0?}: give it a `timeout` (what is `blocking` has to end by itself), or set `liveness_after` to more than it takes"
            ),
            HealthProblem::OffsetReset { group, reset, since } => write!(
                f,
                "group `{group}` went on in {} at {} in place of {} ({} offsets) {since:.0?} ago: {}",
                reset.partition,
                reset.to,
                reset.from,
                reset.records(),
                reset.reason
            ),
            HealthProblem::ShuttingDown => f.write_str("the service was told to end"),
        }
    }
}
