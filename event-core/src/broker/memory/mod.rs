//! A broker without sockets, for tests: topics, consumer groups and commits in memory.
//!
//! It keeps Kafka's promises that the application relies on: order within a partition, groups with
//! committed offsets, a partition that changes hands only after its owner released it. It has no
//! threads and reads no clock but for timestamps, so that it runs with paused time.

mod cluster;
mod consumer;
mod producer;

use std::sync::Arc;
use std::time::Duration;

use super::{Broker, BrokerError, Producer, Subscription, TopicStatus};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};
use cluster::{Cluster, ClusterState};

pub use cluster::StoredRecord;
pub use consumer::MemoryConsumer;

/// A cluster in memory. Cloning it shares the cluster.
#[derive(Clone, Default)]
pub struct MemoryBroker(Arc<Cluster>);

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
        self.0.change(|state| state.create_topic(topic, partitions as usize));
    }

    /// Removes a topic with all its records.
    pub fn delete_topic(&self, topic: &TopicName) {
        self.0.change(|state| state.topics.remove(topic));
    }

    /// The records of a topic, by partition and offset; empty when there is no such topic.
    #[must_use]
    pub fn records(&self, topic: &TopicName) -> Vec<StoredRecord> {
        self.0.read(|state| {
            let partitions = state.topics.get(topic).into_iter().flatten();
            partitions.flatten().map(|record| (**record).clone()).collect()
        })
    }

    /// Where a group goes on in a partition; `None` when it never committed there.
    #[must_use]
    pub fn committed(&self, group: &GroupName, partition: &TopicPartition) -> Option<NextOffset> {
        self.0.read(|state| state.groups.get(group)?.committed.get(partition).copied())
    }

    /// Refuses writes to `topic` with `error` until called with `None`.
    pub fn refuse_writes(&self, topic: &TopicName, error: Option<BrokerError>) {
        self.0.change(|state| match error {
            Some(error) => drop(state.refused_writes.insert(topic.clone(), error)),
            None => drop(state.refused_writes.remove(topic)),
        });
    }

    /// Sets the size of key, value and headers up to which `topic` takes a record, like Kafka's
    /// `max.message.bytes`.
    pub fn limit_record_bytes(&self, topic: &TopicName, limit: usize) {
        self.0.change(|state| state.record_limits.insert(topic.clone(), limit));
    }

    /// Lets the next `count` commits fail.
    pub fn fail_commits(&self, count: u32) {
        self.0.change(|state| state.failing_commits = count);
    }
}

impl Broker for MemoryBroker {
    type Consumer = MemoryConsumer;

    async fn topics(
        &self,
        names: &[TopicName],
        _deadline: Duration,
    ) -> Result<Vec<TopicStatus>, BrokerError> {
        let status = |state: &ClusterState, topic: &TopicName| {
            let partitions = state.topics.get(topic).map(Vec::len);
            let partitions = partitions.ok_or_else(|| BrokerError::UnknownTopic(topic.to_string()));
            TopicStatus {
                topic: topic.clone(),
                partitions: partitions.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            }
        };
        Ok(self.0.read(|state| names.iter().map(|topic| status(state, topic)).collect()))
    }

    fn subscribe(&self, subscription: Subscription) -> Result<MemoryConsumer, BrokerError> {
        Ok(MemoryConsumer::join(Arc::clone(&self.0), subscription))
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        Ok(Arc::new(producer::MemoryProducer(Arc::clone(&self.0))))
    }
}

impl std::fmt::Debug for MemoryBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryBroker")
    }
}
