//! One member of a group, with what it has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use event_core::broker::{
    Broker, BrokerError, Consumer, ConsumerEvent, OutgoingRecord, Producer, Progress, Revocation,
    Subscription,
};
use event_core::delivery::{Epoch, NextOffset, Offset, RecordBatch, TopicPartition};
use event_core::event::{GroupName, Headers, TopicName};

/// No test waits longer for one thing.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A topic name, or group name, that nobody used before.
pub fn topic(stem: &str) -> TopicName {
    TopicName::parse(&format!("{stem}_{}", uuid::Uuid::now_v7().simple())).unwrap()
}

/// A record with a key and a value.
pub fn record(topic: &TopicName, key: &str, value: &str) -> OutgoingRecord {
    OutgoingRecord {
        topic: topic.clone(),
        partition: None,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Headers::new(),
        timestamp_ms: None,
    }
}

/// Sends `count` records with the values `0`, `1`, .. to one partition.
pub async fn fill(producer: &dyn Producer, topic: &TopicName, partition: i32, count: usize) {
    let sends: Vec<_> = (0..count)
        .map(|number| {
            let number = number.to_string();
            let to = OutgoingRecord { partition: Some(partition), ..record(topic, "k", &number) };
            producer.send(to)
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
}

/// What a member of `group` usually asks for.
pub fn subscription(group: &str, topic: &TopicName) -> Subscription {
    Subscription {
        group: GroupName::parse(group).unwrap(),
        topics: vec![vec![topic.clone()]],
        retry_topics: Vec::new(),
        max_in_flight_bytes: 64 << 20,
        drain_timeout: TIMEOUT,
        group_instance_id: None,
        wants_metadata: false,
        out_of_range: Default::default(),
        by_partition: false,
    }
}

/// A received record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub partition: i32,
    pub offset: Offset,
    pub leader_epoch: Option<i32>,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Headers,
}

impl Seen {
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().unwrap_or_default()).unwrap()
    }
}

/// A member that reads one topic.
pub struct Member<C> {
    consumer: C,
    progress: BTreeMap<TopicPartition, Progress>,
}

impl<C: Consumer> Member<C> {
    pub fn join<B: Broker<Consumer = C>>(broker: &B, group: &str, topic: &TopicName) -> Self {
        Self::subscribe(broker, subscription(group, topic))
    }

    pub fn subscribe<B: Broker<Consumer = C>>(broker: &B, subscription: Subscription) -> Self {
        Member { consumer: broker.subscribe(subscription).unwrap(), progress: BTreeMap::new() }
    }

    /// The next event, with records noted as settled.
    pub async fn next(&mut self) -> ConsumerEvent {
        tokio::time::timeout(TIMEOUT, self.next_ever())
            .await
            .expect("nothing happened until the deadline")
    }

    /// The same without a deadline.
    pub async fn next_ever(&mut self) -> ConsumerEvent {
        let event = self.consumer.next().await;
        if let ConsumerEvent::Records(batch) = &event {
            let last = batch.iter().last().expect("a batch is never empty");
            let next = last.offset.next();
            self.settle(batch.partition(), batch.epoch(), next);
        }
        event
    }

    pub fn settle(&mut self, partition: &TopicPartition, epoch: Epoch, next: NextOffset) {
        let done = Progress { partition: partition.clone(), epoch, next, metadata: String::new() };
        self.progress.insert(partition.clone(), done);
    }

    pub async fn assigned(&mut self) -> (Vec<TopicPartition>, Epoch) {
        loop {
            match self.next().await {
                ConsumerEvent::Assigned { partitions, epoch } if !partitions.is_empty() => {
                    let names = partitions.into_iter().map(|assigned| assigned.partition);
                    return (names.collect(), epoch);
                }
                ConsumerEvent::Revoked(revocation) => revocation.release(self.progress()),
                _ => {}
            }
        }
    }

    pub async fn revoked(&mut self) -> Revocation {
        loop {
            if let ConsumerEvent::Revoked(revocation) = self.next().await {
                return revocation;
            }
        }
    }

    pub async fn batch(&mut self) -> RecordBatch {
        loop {
            match self.next().await {
                ConsumerEvent::Records(batch) => return batch,
                ConsumerEvent::Revoked(revocation) => revocation.release(self.progress()),
                _ => {}
            }
        }
    }

    /// The next batch, if one comes soon.
    pub async fn batch_or_nothing(&mut self) -> Vec<RecordBatch> {
        let soon = Duration::from_millis(300);
        tokio::time::timeout(soon, self.batch()).await.into_iter().collect()
    }

    /// Reads until `count` records are there.
    pub async fn read(&mut self, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.len() < count {
            let batch = self.batch().await;
            let partition = batch.partition().partition;
            seen.extend(batch.iter().map(|record| Seen {
                partition,
                offset: record.offset,
                leader_epoch: record.leader_epoch(),
                timestamp_ms: record.timestamp_ms,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.to_headers(),
            }));
        }
        seen
    }

    pub fn progress(&self) -> Vec<Progress> {
        self.progress.values().cloned().collect()
    }

    pub fn commit(&mut self, progress: &[Progress]) {
        self.consumer.commit(progress);
    }

    /// Commits what was seen and leaves.
    pub async fn close(self) {
        let progress = self.progress();
        self.close_with(progress).await;
    }

    pub async fn close_with(self, progress: Vec<Progress>) {
        self.close_within(progress, TIMEOUT).await.unwrap();
    }

    pub async fn close_within(
        self,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> Result<Vec<Progress>, BrokerError> {
        self.consumer.close(progress, timeout).await
    }
}
