//! The ports through which the application reaches a broker.
//!
//! A [`Consumer`] hands over batches and learns what is settled; a [`Producer`] sends and learns
//! what is acknowledged. Which thread does it, and through which library, is the adapter's
//! business: [`kafka`] for production, its embedded cluster for development, [`memory`] for tests.

mod error;
mod inspection;
#[cfg(feature = "kafka")]
pub mod kafka;
// The log is printed by a library that `cli` brings.
#[cfg(all(test, feature = "cli"))]
pub(crate) mod log_capture;
pub mod memory;
mod position;
mod heartbeat;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::delivery::{Epoch, NextOffset, Offset, RecordBatch, TopicPartition};
use crate::event::{GroupName, Headers, TopicName};

pub use error::BrokerError;
pub use heartbeat::Heartbeat;
pub use inspection::{
    Committed, CreatedTopic, GroupMember, NewTopic, ReadRequest, Reader, TopicStatus, Watermarks,
};
pub use position::{OffsetReset, OutOfRange, ResetReason};

/// A future that an object-safe port returns.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A cluster that can be asked for topics and joined.
pub trait Broker: Send + Sync + 'static {
    /// The consumer that this broker makes.
    type Consumer: Consumer;
    /// What reads without a group here.
    type Reader: Reader;

    /// Asks for the topics with these names, and answers for each in their order. It needs the
    /// right to describe these topics only, and never makes one.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Unreachable`] when no answer came within `timeout`, and what the cluster
    /// refuses as a whole (authentication). What is wrong with one topic is in its
    /// [`TopicStatus`].
    fn topics(
        &self,
        names: &[TopicName],
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<TopicStatus>, BrokerError>> + Send;

    /// Makes topics, and says for each in their order whether it was made or there before.
    ///
    /// # Errors
    ///
    /// As for [`Broker::topics`]; what is wrong with one topic is in its own answer.
    fn create_topics(
        &self,
        topics: &[NewTopic],
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<CreatedTopic>, BrokerError>> + Send;

    /// Which records each of `partitions` holds, in their order, or why that is not known of one:
    /// [`BrokerError::UnknownTopic`], [`BrokerError::Unauthorised`], or that it has no leader.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Unreachable`] when no answer came within `timeout`, and what the cluster refuses
    /// altogether; what is wrong with one partition is in its own answer.
    fn watermarks(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<Result<Watermarks, BrokerError>>, BrokerError>> + Send;

    /// Where the first record lies whose timestamp is `timestamp_ms` (since 1970) or later, for
    /// each of `partitions` in their order: the end of the partition when none is.
    ///
    /// # Errors
    ///
    /// As for [`Broker::watermarks`], and what is wrong with the first partition that cannot be asked for.
    fn offsets_at(
        &self,
        partitions: &[TopicPartition],
        timestamp_ms: i64,
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<(TopicPartition, NextOffset)>, BrokerError>> + Send;

    /// What `group` committed for each of `partitions`, in their order. It joins nothing.
    ///
    /// # Errors
    ///
    /// As for [`Broker::offsets_at`], and [`BrokerError::Unauthorised`] for the group.
    fn committed(
        &self,
        group: &GroupName,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<Committed>, BrokerError>> + Send;

    /// Who is in `group`, and what each member has. `None` while the group rebalances, and where the
    /// broker does not report them, as the embedded one.
    ///
    /// # Errors
    ///
    /// As for [`Broker::committed`]; it needs the right to describe the group.
    fn members(
        &self,
        group: &GroupName,
        timeout: Duration,
    ) -> impl Future<Output = Result<Option<Vec<GroupMember>>, BrokerError>> + Send {
        let _ = (group, timeout);
        std::future::ready(Ok(None))
    }

    /// Lets a group without members go on elsewhere, and forgets the metadata it committed there.
    ///
    /// # Errors
    ///
    /// [`BrokerError::GroupActive`] when the group has members: they would go on where they are,
    /// and commit over it. Otherwise as for [`Broker::committed`].
    fn reset(
        &self,
        group: &GroupName,
        offsets: &[(TopicPartition, NextOffset)],
        timeout: Duration,
    ) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// Reads partitions without a group, for whoever wants to look at records.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the reader cannot be made; what happens later, as with a topic that
    /// does not exist, comes from [`Reader::next`].
    fn read(&self, request: ReadRequest) -> Result<Self::Reader, BrokerError>;

    /// Joins a consumer group. A group without committed offsets starts at the earliest record, and
    /// one whose offset is not in the log any more where [`Subscription::out_of_range`] says.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the consumer cannot be made; what happens later arrives as
    /// [`ConsumerEvent::Error`].
    fn subscribe(&self, subscription: Subscription) -> Result<Self::Consumer, BrokerError>;

    /// A producer. Sends are acknowledged by all in-sync replicas and never reordered.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the producer cannot be made.
    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError>;
}

/// In the `impl Broker` of a broker around another one: what is asked of it is asked of the field
/// `$inner`. How it is joined and what sends is left to say.
macro_rules! asks_inner {
    ($inner:ident) => {
        type Reader = B::Reader;

        fn topics(
            &self,
            names: &[$crate::event::TopicName],
            timeout: std::time::Duration,
        ) -> impl Future<Output = Result<Vec<$crate::broker::TopicStatus>, $crate::broker::BrokerError>> + Send {
            self.$inner.topics(names, timeout)
        }

        fn create_topics(
            &self,
            topics: &[$crate::broker::NewTopic],
            timeout: std::time::Duration,
        ) -> impl Future<Output = Result<Vec<$crate::broker::CreatedTopic>, $crate::broker::BrokerError>> + Send {
            self.$inner.create_topics(topics, timeout)
        }

        fn watermarks(
            &self,
            partitions: &[$crate::delivery::TopicPartition],
            timeout: std::time::Duration,
        ) -> impl Future<Output = Result<Vec<Result<$crate::broker::Watermarks, $crate::broker::BrokerError>>, $crate::broker::BrokerError>> + Send {
            self.$inner.watermarks(partitions, timeout)
        }

        fn offsets_at(
            &self,
            partitions: &[$crate::delivery::TopicPartition],
            timestamp_ms: i64,
            timeout: std::time::Duration,
        ) -> impl Future<Output = Result<Vec<($crate::delivery::TopicPartition, $crate::delivery::NextOffset)>, $crate::broker::BrokerError>> + Send {
            self.$inner.offsets_at(partitions, timestamp_ms, timeout)
        }

        fn committed(
            &self,
            group: &$crate::event::GroupName,
            partitions: &[$crate::delivery::TopicPartition],
            timeout: std::time::Duration,
        ) -> impl Future<Output = Result<Vec<$crate::broker::Committed>, $crate::broker::BrokerError>> + Send {
            self.$inner.committed(group, partitions, timeout)
        }

        fn members(
            &self,
            group: &$crate::event::GroupName,
            timeout: std::time::Duration,
        ) -> impl Future<Output = Result<Option<Vec<$crate::broker::GroupMember>>, $crate::broker::BrokerError>> + Send {
            self.$inner.members(group, timeout)
        }

        fn reset(
            &self,
            group: &$crate::event::GroupName,
            offsets: &[($crate::delivery::TopicPartition, $crate::delivery::NextOffset)],
            timeout: std::time::Duration,
        ) -> impl Future<Output = Result<(), $crate::broker::BrokerError>> + Send {
            self.$inner.reset(group, offsets, timeout)
        }

        fn read(&self, request: $crate::broker::ReadRequest) -> Result<Self::Reader, $crate::broker::BrokerError> {
            self.$inner.read(request)
        }
    };
}

pub(crate) use asks_inner;

/// What a consumer reads.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The consumer group.
    pub group: GroupName,
    /// The topics, in sets. The partitions of each set are shared evenly among the consumers of the
    /// group, whatever these have of the other sets. Each topic stands in one set.
    pub topics: Vec<Vec<TopicName>>,
    /// Topics in which little happens, for retries and redriven records. What a consumer has of them
    /// counts for nothing when the others are shared out.
    pub retry_topics: Vec<TopicName>,
    /// How many bytes of records may be handed over and not yet dropped, with what the consumer fetches
    /// ahead. Each assigned partition has an equal share at least: above what it may have it pauses until
    /// half of that is free, so that one whose records stay in memory never stops the others.
    pub max_in_flight_bytes: usize,
    /// How long a revocation may wait for the records in flight.
    pub drain_timeout: Duration,
    /// A name for this member that no other of the group has, and that it keeps when it is
    /// restarted (`group.instance.id`; where there are several sets of topics, the name of the first
    /// topic of the set is added). Back within the session time-out it has the partitions it
    /// had, and the group does not change; until then nobody reads them. `None` for a member that
    /// is another one after each start.
    pub group_instance_id: Option<String>,
    /// Whether [`ConsumerEvent::Assigned`] carries what was committed. It costs a question to the
    /// broker for each assignment.
    pub wants_metadata: bool,
    /// Where a partition goes on whose position lies before its first record.
    pub out_of_range: OutOfRange,
    /// Whether the records of each partition are taken from a queue of its own ([`Consumer::queue`]), where
    /// the consumer has such queues, and do not come by [`Consumer::next`].
    pub by_partition: bool,
}

impl Subscription {
    /// All topics.
    pub fn all_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.iter().flatten().chain(&self.retry_topics)
    }
}

/// A member of a consumer group.
pub trait Consumer: Send {
    /// Waits for the next thing that happens. Cancel safe.
    fn next(&mut self) -> impl Future<Output = ConsumerEvent> + Send;

    /// Commits without waiting. An entry whose epoch is over is dropped. What the broker has then
    /// arrives as [`ConsumerEvent::Committed`], a failure as
    /// [`ConsumerEvent::CommitFailed`]; the caller then commits its present progress again, with
    /// less metadata than [`BrokerError::MetadataTooLarge`] says was refused.
    fn commit(&mut self, progress: &[Progress]);

    /// What comes of a partition that was assigned in `epoch`: all of it, from the beginning, and
    /// nothing of it by [`next`](Consumer::next). It is given once. `None` where everything comes by `next`:
    /// without [`Subscription::by_partition`], and by default.
    fn queue(&mut self, partition: &TopicPartition, epoch: Epoch) -> Option<PartitionQueue> {
        let _ = (partition, epoch);
        None
    }

    /// Shows whether the threads behind it go on; empty when it has none of its own.
    fn heartbeats(&self) -> Vec<Arc<Heartbeat>> {
        Vec::new()
    }

    /// What brokers call it ([`GroupMember::client_id`]); `None` where they have no name for it.
    fn client_id(&self) -> Option<&str> {
        None
    }

    /// Commits, waits for the answer and leaves the group, all within `timeout`; gives back what was
    /// committed. A commit that is refused for a while only, because the group is changing, say, is
    /// retried until then.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the commit failed or was not answered in time.
    fn close(
        self,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<Progress>, BrokerError>> + Send;
}

/// What comes of one partition, in its order.
#[derive(Debug)]
pub enum PartitionEvent {
    /// Records ([`ConsumerEvent::Records`]).
    Records(RecordBatch),
    /// No record lies between what came before and this offset ([`ConsumerEvent::Passed`]).
    Passed(NextOffset),
}

/// The queue of one partition in one assignment.
#[derive(Debug)]
pub struct PartitionQueue {
    /// Its other end. Whoever keeps it sees no end of the queue when the assignment is over.
    pub sender: UnboundedSender<PartitionEvent>,
    /// What comes.
    pub events: UnboundedReceiver<PartitionEvent>,
}

/// What happens to a consumer.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// Partitions are ours from now on.
    Assigned {
        /// The new partitions, not those kept.
        partitions: Vec<AssignedPartition>,
        /// The epoch of what will be read from them.
        epoch: Epoch,
    },
    /// Partitions are to be given up; the group waits for [`Revocation::release`].
    Revoked(Revocation),
    /// Records of one partition.
    Records(RecordBatch),
    /// The partition holds no record between what was read of it and `next`, where the next one will be:
    /// the marks of transactions, aborted records and compaction leave offsets without one. Below what
    /// was read when the log was truncated there.
    Passed {
        /// The partition.
        partition: TopicPartition,
        /// The assignment in which it was read.
        epoch: Epoch,
        /// Where the next record will be.
        next: NextOffset,
    },
    /// A position was not in its log any more, and the partition goes on elsewhere.
    OffsetReset(OffsetReset),
    /// A commit was acknowledged, also the one with which partitions were released.
    Committed(Vec<Progress>),
    /// An asynchronous commit failed, and was not repeated.
    CommitFailed(BrokerError),
    /// Fetching of these partitions is paused until records of theirs are dropped
    /// ([`Subscription::max_in_flight_bytes`]).
    FetchPaused(Vec<TopicPartition>),
    /// These partitions are read again.
    FetchResumed(Vec<TopicPartition>),
    /// The broker does not let the consumer fetch a topic, or some of its partitions. It goes on trying,
    /// and does not report when it can again.
    FetchFailed {
        /// The topic.
        topic: TopicName,
        /// The partitions; none for the topic as a whole.
        partitions: Vec<i32>,
        /// Why.
        error: BrokerError,
    },
    /// The broker reported an error; the consumer goes on unless the error is fatal.
    Error(BrokerError),
    /// The same while some of the topics were never assigned: the consumer could not join the group
    /// for them yet.
    JoinFailed(BrokerError),
}

/// A partition that is ours, and what was last committed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// Where the group goes on. `None` when it never committed here, when it is not known, or when
    /// [`Subscription::wants_metadata`] is not set.
    pub next: Option<NextOffset>,
    /// The [`Progress::metadata`] that was committed with `next`; empty where that is `None`.
    pub metadata: String,
}

/// Partitions that another member is waiting for.
pub struct Revocation {
    /// The partitions.
    pub partitions: Vec<TopicPartition>,
    /// Whether they are already another member's, so that nothing may be committed.
    pub lost: bool,
    release: Box<dyn FnOnce(Vec<Progress>) + Send>,
}

impl Revocation {
    /// A revocation that calls `release` with the final progress.
    pub fn new(
        partitions: Vec<TopicPartition>,
        lost: bool,
        release: impl FnOnce(Vec<Progress>) + Send + 'static,
    ) -> Self {
        Revocation { partitions, lost, release: Box::new(release) }
    }

    /// Gives the partitions up, committing `progress` first.
    pub fn release(self, progress: Vec<Progress>) {
        (self.release)(progress);
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation")
            .field("partitions", &self.partitions)
            .field("lost", &self.lost)
            .finish()
    }
}

/// How far a partition has come: everything before `next` is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: TopicPartition,
    /// The assignment that the work belongs to.
    pub epoch: Epoch,
    /// Where to go on.
    pub next: NextOffset,
    /// The metadata for the next owner of the partition; may be empty.
    /// A broker takes 4096 bytes by default (`offset.metadata.max.bytes`).
    pub metadata: String,
}

/// A record to be sent.
#[derive(Clone, Debug)]
pub struct OutgoingRecord {
    /// The topic.
    pub topic: TopicName,
    /// The partition; `None` leaves it to the key, or to chance without one.
    pub partition: Option<i32>,
    /// The key; null and empty are different.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
    /// Milliseconds since 1970; `None` is now.
    pub timestamp_ms: Option<i64>,
}

impl OutgoingRecord {
    /// The bytes of key, value and headers.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_bytes(&self.key, &self.value, &self.headers)
    }
}

/// The bytes of a record's key, value and headers.
fn size_bytes(key: &Option<Bytes>, value: &Option<Bytes>, headers: &Headers) -> usize {
    let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers = headers.iter().map(|header| header.name.len() + size(&header.value));
    size(key) + size(value) + headers.sum::<usize>()
}

/// Where an acknowledged record lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset.
    pub offset: Offset,
}

/// Sends records.
pub trait Producer: Send + Sync {
    /// Sends a record. The order of calls is the order on the partition; the future resolves when
    /// the record is acknowledged. Dropping the future does not take the record back.
    fn send(
        &self,
        record: OutgoingRecord,
    ) -> PortFuture<'static, Result<Acknowledged, BrokerError>>;

    /// Waits until everything sent so far is acknowledged or failed.
    ///
    /// # Errors
    ///
    /// [`BrokerError::TimedOut`] when something is still open after `timeout`.
    fn flush(&self, timeout: Duration) -> PortFuture<'_, Result<(), BrokerError>>;
}
