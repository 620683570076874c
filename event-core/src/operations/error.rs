//! Why an operation cannot be done, and what to do about it.

use crate::broker::BrokerError;
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, NameError, TopicName};

/// Why an operation ended early. What it did until then stays done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The broker refuses, or does not answer.
    #[error(transparent)]
    Broker(BrokerError),
    /// A topic does not exist.
    #[error(
        "topic `{0}` does not exist\nhelp: `topics ls` lists the topics that the service needs, `topics create` makes them"
    )]
    NoSuchTopic(String),
    /// A name that was made of another is over the limit.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The topic to which dead letters are redriven is missing.
    #[error(
        "topic `{0}` does not exist, so nothing can be redriven\nhelp: make it with `topics create` and redrive again; a running service reads it within seconds"
    )]
    NoRedriveTopic(TopicName),
    /// No dead letter has this id.
    #[error(
        "no dead letter {id} in {topics}\nhelp: `dlq ls` lists the ids; what the topic no longer holds is gone"
    )]
    NoSuchLetter {
        /// The id.
        id: String,
        /// Where was looked.
        topics: String,
    },
    /// Several dead letters have this id, on topics of their own.
    #[error("{count} dead letters have the id {id}\nhelp: write one of {ids}")]
    SeveralLetters {
        /// The id.
        id: String,
        /// How many.
        count: usize,
        /// All of them, each with its topic.
        ids: String,
    },
    /// The group has members.
    #[error(
        "group `{0}` has members, which would commit over the reset\nhelp: stop the service, all of its processes, and run the command again; to reprocess records while it runs, use `replay`"
    )]
    GroupActive(GroupName),
    /// The topic has not so many partitions.
    #[error("topic `{topic}` has no partition {partition}\nhelp: it has {count}, counted from 0")]
    NoSuchPartition {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// How many there are.
        count: i32,
    },
    /// The partition does not hold the offset.
    #[error(
        "offset {offset} is not in {partition}\nhelp: the partition holds {low} to {end}; `beginning` and `end` are always right"
    )]
    OutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The offset.
        offset: i64,
        /// The first that it holds.
        low: NextOffset,
        /// The one that its next record will have.
        end: NextOffset,
    },
}

impl From<BrokerError> for OperationError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::UnknownTopic(topic) => OperationError::NoSuchTopic(topic),
            error => OperationError::Broker(error),
        }
    }
}
