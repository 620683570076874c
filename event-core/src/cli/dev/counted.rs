//! A broker that counts what is sent to the topics of the handlers, so that `dev` knows when
//! nothing is left to handle: not the samples, and not what handlers sent because of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::broker::{
    Acknowledged, Broker, BrokerError, Committed, CreatedTopic, NewTopic, OutgoingRecord,
    PortFuture, Producer, ReadRequest, Subscription, TopicStatus, Watermarks,
};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};

/// How many records were acknowledged on the topics of the handlers, once for each consumer group
/// that will read them. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Sent(Arc<AtomicU64>);

impl Sent {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// How many consumer groups read each topic.
pub(super) type Readers = BTreeMap<TopicName, u64>;

/// A broker whose producers count into [`Sent`].
pub(super) struct CountedBroker<B> {
    pub(super) inner: B,
    pub(super) readers: Arc<Readers>,
    pub(super) sent: Sent,
}

struct CountedProducer {
    inner: Arc<dyn Producer>,
    readers: Arc<Readers>,
    sent: Sent,
}

impl<B: Broker> Broker for CountedBroker<B> {
    type Consumer = B::Consumer;
    type Reader = B::Reader;

    fn topics(
        &self,
        names: &[TopicName],
        deadline: Duration,
    ) -> impl Future<Output = Result<Vec<TopicStatus>, BrokerError>> + Send {
        self.inner.topics(names, deadline)
    }

    fn create_topics(
        &self,
        topics: &[NewTopic],
        deadline: Duration,
    ) -> impl Future<Output = Result<Vec<CreatedTopic>, BrokerError>> + Send {
        self.inner.create_topics(topics, deadline)
    }

    fn watermarks(
        &self,
        partitions: &[TopicPartition],
        deadline: Duration,
    ) -> impl Future<Output = Result<Vec<Watermarks>, BrokerError>> + Send {
        self.inner.watermarks(partitions, deadline)
    }

    fn offsets_at(
        &self,
        partitions: &[TopicPartition],
        timestamp_ms: i64,
        deadline: Duration,
    ) -> impl Future<Output = Result<Vec<(TopicPartition, NextOffset)>, BrokerError>> + Send {
        self.inner.offsets_at(partitions, timestamp_ms, deadline)
    }

    fn committed(
        &self,
        group: &GroupName,
        partitions: &[TopicPartition],
        deadline: Duration,
    ) -> impl Future<Output = Result<Vec<Committed>, BrokerError>> + Send {
        self.inner.committed(group, partitions, deadline)
    }

    fn reset(
        &self,
        group: &GroupName,
        offsets: &[(TopicPartition, NextOffset)],
        deadline: Duration,
    ) -> impl Future<Output = Result<(), BrokerError>> + Send {
        self.inner.reset(group, offsets, deadline)
    }

    fn read(&self, request: ReadRequest) -> Result<Self::Reader, BrokerError> {
        self.inner.read(request)
    }

    fn subscribe(&self, subscription: Subscription) -> Result<Self::Consumer, BrokerError> {
        self.inner.subscribe(subscription)
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        Ok(Arc::new(CountedProducer {
            inner: self.inner.producer()?,
            readers: Arc::clone(&self.readers),
            sent: self.sent.clone(),
        }))
    }
}

impl Producer for CountedProducer {
    fn send(
        &self,
        record: OutgoingRecord,
    ) -> PortFuture<'static, Result<Acknowledged, BrokerError>> {
        let readers = self.readers.get(&record.topic).copied().unwrap_or_default();
        let (sending, sent) = (self.inner.send(record), self.sent.clone());
        Box::pin(async move {
            let acknowledged = sending.await?;
            // Before the sender learns of it, and so before the record that it handles is settled.
            sent.0.fetch_add(readers, Ordering::AcqRel);
            Ok(acknowledged)
        })
    }

    fn flush(&self, deadline: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
        self.inner.flush(deadline)
    }
}
