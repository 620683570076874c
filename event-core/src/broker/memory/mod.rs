//! A broker without sockets, for tests: topics, consumer groups and commits in memory.
//!
//! It keeps Kafka's promises that the application relies on: order within a partition, groups with
//! committed offsets, a partition that changes hands only after its owner released it. It has no
//! threads and reads no clock but for timestamps, so that it runs with paused time.

mod cluster;
mod consumer;
mod faults;
mod producer;
mod reader;
mod records;

use std::sync::Arc;
use std::time::Duration;

use super::{
    Broker, BrokerError, Committed, CreatedTopic, NewTopic, Producer, ReadRequest, Subscription,
    TopicStatus, Watermarks,
};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};
use cluster::{Cluster, ClusterState, Log};
use faults::Link;

pub use cluster::StoredRecord;
pub use consumer::MemoryConsumer;
pub use faults::{Fault, Request};
pub use reader::MemoryReader;

/// A cluster in memory. Cloning it shares the cluster.
#[derive(Clone, Default)]
pub struct MemoryBroker {
    cluster: Arc<Cluster>,
    link: Arc<Link>,
}

impl MemoryBroker {
    /// A cluster without topics.
    #[must_use]
    pub fn new() -> Self {
        MemoryBroker::default()
    }

    /// Creates a topic; one that exists already is left as it is.
    ///
    /// # Panics
    ///
    /// When `partitions` is 0: such a topic could take no record.
    pub fn create_topic(&self, topic: &TopicName, partitions: u32) {
        assert!(partitions > 0, "topic `{topic}` needs at least one partition");
        self.cluster.change(|state| state.create_topic(topic, partitions as usize));
    }

    /// Removes a topic with all its records.
    pub fn delete_topic(&self, topic: &TopicName) {
        self.cluster.change(|state| state.topics.remove(topic));
    }

    /// The records of a topic, by partition and offset; empty when there is no such topic.
    #[must_use]
    pub fn records(&self, topic: &TopicName) -> Vec<StoredRecord> {
        self.cluster.read(|state| {
            let partitions = state.topics.get(topic).into_iter().flatten();
            partitions.flat_map(|log| &log.records).map(|record| (**record).clone()).collect()
        })
    }

    /// Where a group goes on in a partition; `None` when it never committed there.
    #[must_use]
    pub fn committed(&self, group: &GroupName, partition: &TopicPartition) -> Option<NextOffset> {
        self.cluster.read(|state| Some(state.groups.get(group)?.committed.get(partition)?.0))
    }

    /// Where the next record of a partition will lie; `None` when there is no such partition.
    #[must_use]
    pub fn end(&self, partition: &TopicPartition) -> Option<NextOffset> {
        self.cluster.read(|state| state.log(partition).ok().map(Log::end))
    }

    /// Refuses writes to `topic` with `error` until called with `None`.
    pub fn refuse_writes(&self, topic: &TopicName, error: Option<BrokerError>) {
        self.cluster.change(|state| match error {
            Some(error) => drop(state.refused_writes.insert(topic.clone(), error)),
            None => drop(state.refused_writes.remove(topic)),
        });
    }

    /// Refuses to make `topic` with `error` until called with `None`.
    pub fn refuse_creation(&self, topic: &TopicName, error: Option<BrokerError>) {
        self.cluster.change(|state| match error {
            Some(error) => drop(state.refused_creations.insert(topic.clone(), error)),
            None => drop(state.refused_creations.remove(topic)),
        });
    }

    /// Refuses to say which records `partition` holds with `error` until called with `None`.
    pub fn refuse_offsets(&self, partition: &TopicPartition, error: Option<BrokerError>) {
        self.cluster.change(|state| match error {
            Some(error) => drop(state.refused_offsets.insert(partition.clone(), error)),
            None => drop(state.refused_offsets.remove(partition)),
        });
    }

    /// Sets the size of key, value and headers up to which `topic` takes a record, like Kafka's
    /// `max.message.bytes`.
    pub fn limit_record_bytes(&self, topic: &TopicName, limit: usize) {
        self.cluster.change(|state| state.record_limits.insert(topic.clone(), limit));
    }

    /// Sets how long the metadata of a commit may be: 4096 bytes at first, like Kafka's
    /// `offset.metadata.max.bytes`.
    pub fn limit_metadata_bytes(&self, limit: usize) {
        self.cluster.change(|state| state.max_metadata_bytes = Some(limit));
    }

    /// Lets the next `count` commits fail.
    pub fn fail_commits(&self, count: u32) {
        self.cluster.change(|state| state.failing_commits = count);
    }
}

impl Broker for MemoryBroker {
    type Consumer = MemoryConsumer;
    type Reader = MemoryReader;

    async fn topics(
        &self,
        names: &[TopicName],
        _timeout: Duration,
    ) -> Result<Vec<TopicStatus>, BrokerError> {
        let status = |state: &ClusterState, topic: &TopicName| {
            let partitions = state.topics.get(topic).map(Vec::len);
            let partitions = partitions.ok_or_else(|| BrokerError::UnknownTopic(topic.to_string()));
            TopicStatus {
                topic: topic.clone(),
                partitions: partitions.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
                without_leader: Vec::new(),
            }
        };
        Ok(self.cluster.read(|state| names.iter().map(|topic| status(state, topic)).collect()))
    }

    async fn create_topics(
        &self,
        topics: &[NewTopic],
        _timeout: Duration,
    ) -> Result<Vec<CreatedTopic>, BrokerError> {
        Ok(self.cluster.change(|state| {
            let create = |NewTopic { topic, partitions, .. }: &NewTopic| {
                let is_new = !state.topics.contains_key(topic);
                // As on Kafka, one is the default.
                let partitions =
                    if *partitions == -1 { Ok(1) } else { usize::try_from(*partitions) };
                let refused = state.refused_creations.get(topic).cloned();
                let created = match (refused, partitions) {
                    (Some(error), _) => Err(error),
                    (None, Ok(partitions)) if partitions > 0 => {
                        state.create_topic(topic, partitions);
                        Ok(is_new)
                    }
                    _ => Err(BrokerError::Other(format!(
                        "topic `{topic}` cannot be created: it needs at least one partition"
                    ))),
                };
                (topic.clone(), created)
            };
            topics.iter().map(create).collect()
        }))
    }

    async fn watermarks(
        &self,
        partitions: &[TopicPartition],
        _timeout: Duration,
    ) -> Result<Vec<Result<Watermarks, BrokerError>>, BrokerError> {
        Ok(self.cluster.read(|state| {
            let watermarks = |partition: &TopicPartition| {
                if let Some(error) = state.refused_offsets.get(partition) {
                    return Err(error.clone());
                }
                let end = state.log(partition)?.end();
                // Nothing is ever removed from the beginning.
                Ok(Watermarks { partition: partition.clone(), low: NextOffset(0), end })
            };
            partitions.iter().map(watermarks).collect()
        }))
    }

    async fn offsets_at(
        &self,
        partitions: &[TopicPartition],
        timestamp_ms: i64,
        _timeout: Duration,
    ) -> Result<Vec<(TopicPartition, NextOffset)>, BrokerError> {
        self.cluster.read(|state| {
            let offset = |partition: &TopicPartition| {
                let log = state.log(partition)?;
                let first = log.records.iter().find(|record| record.timestamp_ms >= timestamp_ms);
                let offset = first.map_or(log.end(), |record| NextOffset(record.offset.0));
                Ok((partition.clone(), offset))
            };
            partitions.iter().map(offset).collect()
        })
    }

    async fn committed(
        &self,
        group: &GroupName,
        partitions: &[TopicPartition],
        _timeout: Duration,
    ) -> Result<Vec<Committed>, BrokerError> {
        Ok(self.cluster.read(|state| {
            let committed = |partition: &TopicPartition| {
                let group = state.groups.get(group);
                let committed = group.and_then(|group| group.committed.get(partition));
                let (next, metadata) = committed.cloned().unzip();
                let metadata = metadata.unwrap_or_default();
                Committed { partition: partition.clone(), next, metadata }
            };
            partitions.iter().map(committed).collect()
        }))
    }

    async fn reset(
        &self,
        group: &GroupName,
        offsets: &[(TopicPartition, NextOffset)],
        _timeout: Duration,
    ) -> Result<(), BrokerError> {
        self.cluster.change(|state| state.reset(group, offsets))
    }

    fn read(&self, request: ReadRequest) -> Result<MemoryReader, BrokerError> {
        Ok(MemoryReader::new(Arc::clone(&self.cluster), request))
    }

    fn subscribe(&self, subscription: Subscription) -> Result<MemoryConsumer, BrokerError> {
        Ok(MemoryConsumer::join(Arc::clone(&self.cluster), Arc::clone(&self.link), subscription))
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        Ok(Arc::new(producer::MemoryProducer {
            cluster: Arc::clone(&self.cluster),
            link: Arc::clone(&self.link),
        }))
    }
}

impl std::fmt::Debug for MemoryBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryBroker")
    }
}
