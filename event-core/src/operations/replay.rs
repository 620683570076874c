//! Handles a range of a topic once more, in this process and for no group.
//!
//! [`ReplayBroker`] is a broker on which a service reads that range and nothing else: decoding,
//! layers, retries and outcomes are the engine's own, and what would be committed only shows how
//! far it has come. The group of the service is neither joined nor changed.

mod consumer;
mod producer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::dead_letters::dead_letter_topics;
use super::dry_run::route_of;
use super::seek::some_partitions;
use super::{DryRun, DryRunner, GroupTopics, OffsetSpec, OperationError, Rate, TIMEOUT, resolve};
use crate::broker::{
    Broker, BrokerError, Producer, Progress, ReadRequest, Reader, Subscription, asks_inner,
};
use crate::delivery::{NextOffset, Offset, Shutdown, TopicPartition};
use crate::event::TopicName;
use crate::router::{EventRouter, Purpose};

pub use consumer::ReplayConsumer;
use producer::ReplayProducer;

/// What is handled once more: each partition with the first offset, and the one at which to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRange(pub Vec<(TopicPartition, NextOffset, NextOffset)>);

impl ReplayRange {
    /// The range of one partition of `topic`, or of all of them, from one place to another; what comes
    /// in later is no part of it.
    ///
    /// # Errors
    ///
    /// [`OperationError::NoSuchPartition`] and [`OperationError::Broker`].
    pub async fn resolve<B: Broker>(
        broker: &B,
        topic: &TopicName,
        partition: Option<i32>,
        from: OffsetSpec,
        to: OffsetSpec,
    ) -> Result<Self, OperationError> {
        let partitions = some_partitions(broker, topic, partition).await?;
        let from = resolve(broker, &partitions, from).await?;
        let to = resolve(broker, &partitions, to).await?;
        let watermarks = broker.watermarks(&partitions, TIMEOUT).await?;
        let watermarks = watermarks.into_iter().collect::<Result<Vec<_>, _>>()?;
        let range =
            watermarks.into_iter().zip(from.into_iter().zip(to)).map(|(watermarks, (from, to))| {
                let from = from.clamp(watermarks.low, watermarks.end);
                (watermarks.partition, from, to.clamp(from, watermarks.end))
            });
        Ok(ReplayRange(range.collect()))
    }

    /// How many offsets it has; of a compacted topic there are fewer records.
    #[must_use]
    pub fn len(&self) -> i64 {
        self.0.iter().map(|(_, from, to)| to.0 - from.0).sum()
    }

    /// Whether there is nothing to handle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What to read.
    #[must_use]
    pub fn request(&self) -> ReadRequest {
        let partitions =
            self.0.iter().map(|(partition, from, to)| (partition.clone(), *from, Some(*to)));
        ReadRequest { partitions: partitions.collect(), follow: false }
    }
}

/// Reports the outcome of the records of a range, in each group that has a handler for one, until
/// `stop` is requested; true when all had their turn.
///
/// # Errors
///
/// [`OperationError::Broker`].
pub async fn dry_replay<B: Broker>(
    broker: &B,
    range: &ReplayRange,
    dry_runner: &DryRunner,
    groups: &[GroupTopics],
    handler: Option<&str>,
    stop: &Shutdown,
    mut report: impl FnMut(&TopicPartition, Offset, DryRun),
) -> Result<bool, OperationError> {
    let routers: Vec<_> =
        groups.iter().map(|group| (group, EventRouter::new(&group.handlers))).collect();
    let mut reader = broker.read(range.request())?;
    while let Some(batch) = reader.next().await {
        let batch = batch?;
        let (partition, topic) = (batch.partition(), &batch.partition().topic);
        for record in batch.iter() {
            if stop.is_requested() {
                return Ok(false);
            }
            let taken = routers.iter().filter_map(|(group, router)| {
                let id = route_of(router, topic, record.value).ok().flatten()?;
                group.handler(topic, &id)
            });
            let taken: Vec<_> = taken.collect();
            if taken.is_empty() && handler.is_none() {
                let dry_run = dry_runner.run(record.into(), topic.clone()).await;
                report(partition, record.offset, dry_run);
            }
            for by in taken.into_iter().filter(|by| handler.is_none_or(|id| by.id() == id)) {
                let dry_run = dry_runner.run_for(record.into(), topic.clone(), by).await;
                report(partition, record.offset, dry_run);
            }
        }
    }
    Ok(true)
}

/// A broker on which a service reads a range of a topic once more.
pub struct ReplayBroker<B> {
    /// The broker.
    pub inner: B,
    /// What is read.
    pub range: ReplayRange,
    /// The groups of the service, with their handlers.
    pub groups: Vec<GroupTopics>,
    /// The only handler whose records are handed over, if not all are.
    pub handler: Option<String>,
    /// How fast.
    pub rate: Option<Rate>,
    /// Whether dead letters are written; they are acknowledged without it otherwise.
    pub dead_letters: bool,
    /// How far it has come.
    pub replayed: Replayed,
}

/// How far a replay has come. Cloning it shares it.
#[derive(Clone, Default)]
pub struct Replayed(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// How many consumers there are: a group of the service has one each.
    consumers: usize,
    /// How many of them have read their range.
    read_to_the_end: usize,
    /// How far each of them has read each partition.
    read: BTreeMap<(usize, TopicPartition), NextOffset>,
    /// The last record of each partition that a consumer handed over.
    delivered: BTreeMap<(usize, TopicPartition), Offset>,
    settled: BTreeMap<(usize, TopicPartition), NextOffset>,
    passed_over: u64,
    put_off: u64,
}

impl Replayed {
    /// Waits until all of the range was read and settled.
    pub async fn done(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.read(State::is_done) {
                return;
            }
            changed.await;
        }
    }

    /// Whether all of the range was read and settled.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.read(State::is_done)
    }

    /// Where to go on in each partition of `range`, so that no record that is not settled is left
    /// out: what is before that was settled in every group.
    #[must_use]
    pub fn rest(&self, range: &ReplayRange) -> ReplayRange {
        self.read(|state| {
            let rest = range.0.iter().map(|(partition, from, to)| {
                let next = (0..state.consumers)
                    .filter(|of| state.read.contains_key(&(*of, partition.clone())))
                    .map(|of| state.next(of, partition, *from))
                    .min();
                (partition.clone(), next.unwrap_or(*from).clamp(*from, *to), *to)
            });
            ReplayRange(rest.collect())
        })
    }

    /// How many records were passed over because they are not for the handler.
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        self.read(|state| state.passed_over)
    }

    /// How many records the engine wanted to try again later through a topic, which nobody would
    /// read. They were not sent.
    #[must_use]
    pub fn put_off(&self) -> u64 {
        self.read(|state| state.put_off)
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.changed.notify_waiters();
    }

    /// The number of a new consumer.
    fn begin(&self, request: &ReadRequest) -> usize {
        let mut number = 0;
        self.change(|state| {
            number = state.consumers;
            state.consumers += 1;
            for (partition, from, _) in &request.partitions {
                state.read.insert((number, partition.clone()), *from);
            }
        });
        number
    }

    fn settled(&self, consumer: usize, progress: &[Progress]) {
        self.change(|state| {
            for Progress { partition, next, .. } in progress {
                state.settled.insert((consumer, partition.clone()), *next);
            }
        });
    }
}

impl State {
    // Where a consumer has to go on in a partition: behind what was read, if all of that is settled.
    fn next(&self, consumer: usize, partition: &TopicPartition, from: NextOffset) -> NextOffset {
        let place = (consumer, partition.clone());
        let settled = self.settled.get(&place).copied().unwrap_or(from);
        let is_settled = self.delivered.get(&place).is_none_or(|last| settled >= last.next());
        match self.read.get(&place) {
            Some(read) if is_settled => *read,
            _ => settled,
        }
    }

    fn is_done(&self) -> bool {
        let is_settled = |(place, last): (&(usize, TopicPartition), &Offset)| {
            self.settled.get(place).is_some_and(|next| *next >= last.next())
        };
        self.consumers > 0
            && self.read_to_the_end == self.consumers
            && self.delivered.iter().all(is_settled)
    }
}

impl<B: Broker> Broker for ReplayBroker<B> {
    type Consumer = ReplayConsumer<B::Reader>;

    asks_inner!(inner);

    fn subscribe(&self, subscription: Subscription) -> Result<Self::Consumer, BrokerError> {
        ReplayConsumer::new(self, &subscription)
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        let routers: Vec<_> =
            self.groups.iter().map(|own| EventRouter::new(&own.handlers)).collect();
        let withheld = match self.dead_letters {
            true => BTreeSet::new(),
            false => dead_letter_topics(&routers).into_keys().collect(),
        };
        let derived = routers.iter().flat_map(EventRouter::derived_topics).filter_map(Result::ok);
        let retries = derived.filter(|derived| matches!(derived.purpose, Purpose::Retry(_)));
        let retry_topics = retries.map(|derived| derived.topic).collect();
        let (inner, replayed) = (self.inner.producer()?, self.replayed.clone());
        Ok(Arc::new(ReplayProducer { inner, withheld, retry_topics, replayed }))
    }
}

// With the clock paused.
#[cfg(all(test, feature = "testing"))]
mod tests;
