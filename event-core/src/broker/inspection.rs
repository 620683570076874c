//! What is asked of a cluster from outside of a group: topics, offsets, and records to look at.

use super::BrokerError;
use crate::delivery::{NextOffset, RecordBatch, TopicPartition};
use crate::event::TopicName;

/// What a cluster says about a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicStatus {
    /// The topic that was asked for.
    pub topic: TopicName,
    /// How many partitions it has, or why it cannot be used: [`BrokerError::UnknownTopic`],
    /// [`BrokerError::Unauthorised`] or another error.
    pub partitions: Result<i32, BrokerError>,
    /// The partitions that have no leader, so that nobody can read or write them.
    pub without_leader: Vec<i32>,
}

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub topic: TopicName,
    /// How many partitions; -1 leaves it to the broker.
    pub partitions: i32,
    /// On how many brokers each partition lies; -1 leaves it to the broker.
    pub replication: i32,
}

/// What became of a topic that was to be made: `true` when it was made, `false` when it was there
/// before, and is left as it was.
pub type CreatedTopic = (TopicName, Result<bool, BrokerError>);

/// The records that a partition holds: from `low` on, up to but not including `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the oldest record that the log retains; `end` when there is none.
    pub low: NextOffset,
    /// Where the next record will lie.
    pub end: NextOffset,
}

/// What a group committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub partition: TopicPartition,
    /// Where the group goes on; `None` when it never committed here.
    pub next: Option<NextOffset>,
    /// What was committed with it; empty when nothing was.
    pub metadata: String,
}

/// A member of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The name of its client. Here all members of one instance of a service have the same, and those
    /// of two instances never have: `service-TOPICS-name`, where TOPICS is a hash of the topics of the
    /// instance, or with a `group_instance_id` `service-name`.
    pub client_id: String,
    /// The address it connects from.
    pub host: String,
    /// What it has.
    pub partitions: Vec<TopicPartition>,
}

/// What to read without a group.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// Each partition, where to begin, and where to end, which is the first offset not to be read.
    /// What the log no longer retains is left out; a beginning after the last record is the end.
    pub partitions: Vec<(TopicPartition, NextOffset, Option<NextOffset>)>,
    /// Whether to wait for records that are yet to come, until each partition has reached its end,
    /// for ever without one. Otherwise what is there when it begins is all that is read.
    pub follow: bool,
}

/// Reads partitions without a group, and commits nothing.
pub trait Reader: Send {
    /// The next records, all of one partition and in order; `None` when all were read, and after
    /// an error that ends it. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Option<Result<RecordBatch, BrokerError>>> + Send;
}
