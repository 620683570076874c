//! The consumer of a replay: a range in place of an assignment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::{ReplayBroker, Replayed};
use crate::broker::{
    AssignedPartition, Broker, BrokerError, Consumer, ConsumerEvent, Progress, Reader, Subscription,
};
use crate::delivery::{
    ByteCharge, Epoch, Offset, RecordBatch, RecordSource, Shutdown, TopicPartition,
};
use crate::operations::dry_run::route_of;
use crate::operations::rate::Pace;
use crate::operations::resilient_reader::{Read, ResilientReader};
use crate::router::EventRouter;

const EPOCH: Epoch = Epoch(1);

/// A consumer that reads a range once and commits nothing.
pub struct ReplayConsumer<R> {
    reader: ResilientReader<R>,
    assigned: Option<Vec<AssignedPartition>>,
    router: EventRouter,
    handler: Option<String>,
    pace: Pace,
    pending: Option<PendingBatch>,
    is_read: bool,
    in_flight: Arc<InFlight>,
    max_in_flight_bytes: usize,
    number: usize,
    replayed: Replayed,
}

/// What was read and not handed over yet.
struct PendingBatch {
    batch: Arc<RecordBatch>,
    chosen: VecDeque<usize>,
}

#[derive(Default)]
struct InFlight {
    bytes: AtomicUsize,
    freed: Notify,
}

impl InFlight {
    // Waits until less than `limit` is in flight. Cancel safe.
    async fn below(&self, limit: usize) {
        loop {
            let freed = self.freed.notified();
            if self.bytes.load(Ordering::Acquire) < limit {
                return;
            }
            freed.await;
        }
    }
}

impl<R: Reader> ReplayConsumer<R> {
    pub(super) fn new<B: Broker<Reader = R>>(
        broker: &ReplayBroker<B>,
        subscription: &Subscription,
    ) -> Result<Self, BrokerError> {
        let mut request = broker.range.request();
        let topics: Vec<_> = subscription.all_topics().collect();
        request.partitions.retain(|(partition, ..)| topics.contains(&&partition.topic));
        let own = broker.groups.iter().find(|own| own.group == subscription.group);
        let handlers = own.map_or(&[][..], |own| &own.handlers);
        // A group without the only handler that is meant has nothing to read, nor to count.
        if let Some(handler) = &broker.handler {
            request.partitions.retain(|(partition, ..)| {
                own.is_some_and(|own| own.handler(&partition.topic, handler).is_some())
            });
        }
        let assigned = request.partitions.iter().map(|(partition, from, _)| AssignedPartition {
            partition: partition.clone(),
            next: Some(*from),
            metadata: String::new(),
        });
        let number = broker.replayed.begin(&request);
        Ok(ReplayConsumer {
            assigned: Some(assigned.collect()),
            reader: ResilientReader::new(broker.inner.read(request)?),
            router: EventRouter::new(handlers),
            handler: broker.handler.clone(),
            pace: Pace::new(broker.rate),
            pending: None,
            is_read: false,
            in_flight: Arc::default(),
            max_in_flight_bytes: subscription.max_in_flight_bytes,
            number,
            replayed: broker.replayed.clone(),
        })
    }

    fn choose(&mut self, batch: RecordBatch) {
        let topic = &batch.partition().topic;
        let is_chosen = |index: &usize| {
            let Some(handler) = &self.handler else { return true };
            // What cannot be read is no handler's.
            let value = batch.get(*index).and_then(|record| record.value);
            route_of(&self.router, topic, value).ok().flatten().as_ref() == Some(handler)
        };
        let chosen: VecDeque<_> = (0..batch.len()).filter(is_chosen).collect();
        let passed_over = batch.len() - chosen.len();
        let offset_of = |index: usize| batch.get(index).map(|record| record.offset);
        let last = chosen.back().and_then(|index| offset_of(*index));
        let read = batch.len().checked_sub(1).and_then(offset_of);
        self.replayed.change(|state| {
            state.passed_over += passed_over as u64;
            if let Some(read) = read {
                state.read.insert((self.number, (**batch.partition()).clone()), read.next());
            }
            // Before it is handed over, so that it is never taken for done in between.
            if let Some(last) = last {
                state.delivered.insert((self.number, (**batch.partition()).clone()), last);
            }
        });
        if !chosen.is_empty() {
            self.pending = Some(PendingBatch { batch: Arc::new(batch), chosen });
        }
    }

    fn hand_over(&mut self) -> Option<RecordBatch> {
        let pending = self.pending.as_mut()?;
        // At a rate one by one: a batch would be a burst.
        let count = if self.pace.is_limited() { 1 } else { pending.chosen.len() };
        let chosen: Vec<_> = pending.chosen.drain(..count.min(pending.chosen.len())).collect();
        let batch = Arc::clone(&pending.batch);
        if pending.chosen.is_empty() {
            self.pending = None;
        }
        let partition: Arc<TopicPartition> = Arc::clone(batch.partition());
        let part = Part::new(batch, chosen, Arc::clone(&self.in_flight));
        Some(RecordBatch::new(partition, EPOCH, Box::new(part)))
    }
}

impl<R: Reader> Consumer for ReplayConsumer<R> {
    async fn next(&mut self) -> ConsumerEvent {
        if let Some(partitions) = self.assigned.take() {
            return ConsumerEvent::Assigned { partitions, epoch: EPOCH };
        }
        loop {
            if self.pending.is_some() {
                self.in_flight.below(self.max_in_flight_bytes).await;
                // What ends a replay is the shutdown of the engine, which stops asking.
                self.pace.turn(&Shutdown::never()).await;
                if let Some(batch) = self.hand_over() {
                    return ConsumerEvent::Records(batch);
                }
            }
            // It is polled further, for the events that only a group has.
            if self.is_read {
                return std::future::pending().await;
            }
            match self.reader.next().await {
                Ok(Read::Records(batch)) => self.choose(batch),
                Ok(Read::Error(error)) => return ConsumerEvent::Error(error),
                // What follows it would be handled without what it kept from being read.
                Err(error) => return ConsumerEvent::Error(BrokerError::Fatal(error.to_string())),
                Ok(Read::End) => {
                    self.is_read = true;
                    self.replayed.change(|state| state.read_to_the_end += 1);
                }
            }
        }
    }

    fn commit(&mut self, progress: &[Progress]) {
        self.replayed.settled(self.number, progress);
    }

    async fn close(
        self,
        progress: Vec<Progress>,
        _timeout: Duration,
    ) -> Result<Vec<Progress>, BrokerError> {
        self.replayed.settled(self.number, &progress);
        // A replay commits nothing.
        Ok(Vec::new())
    }
}

/// Some records of a batch.
struct Part {
    batch: Arc<RecordBatch>,
    chosen: Vec<usize>,
    charge: Charge,
}

/// Bytes that are in flight until this is dropped.
struct Charge {
    bytes: usize,
    in_flight: Arc<InFlight>,
}

impl Part {
    fn new(batch: Arc<RecordBatch>, chosen: Vec<usize>, in_flight: Arc<InFlight>) -> Self {
        let bytes = batch.size_bytes() * chosen.len() / batch.len().max(1);
        Part { batch, chosen, charge: Charge::new(bytes, in_flight) }
    }
}

impl Charge {
    fn new(bytes: usize, in_flight: Arc<InFlight>) -> Self {
        in_flight.bytes.fetch_add(bytes, Ordering::AcqRel);
        Charge { bytes, in_flight }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.in_flight.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.in_flight.freed.notify_waiters();
    }
}

impl RecordSource for Part {
    fn len(&self) -> usize {
        self.chosen.len()
    }

    fn stamp(&self, index: usize) -> (Offset, i64) {
        let record = self.batch.get(self.chosen[index]);
        record.map_or((Offset(-1), -1), |record| (record.offset, record.timestamp_ms))
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        self.batch.get(self.chosen[index])?.key
    }

    fn value(&self, index: usize) -> Option<&[u8]> {
        self.batch.get(self.chosen[index])?.value
    }

    fn header_count(&self, index: usize) -> usize {
        self.batch.get(self.chosen[index]).map_or(0, |record| record.header_count())
    }

    fn header(&self, index: usize, header: usize) -> (&[u8], Option<&[u8]>) {
        let record = self.batch.get(self.chosen[index]);
        record.and_then(|record| record.headers().nth(header)).unwrap_or((&[], None))
    }

    fn size_bytes(&self) -> usize {
        self.charge.bytes
    }

    fn charge(&self, bytes: usize) -> Option<ByteCharge> {
        Some(Box::new(Charge::new(bytes, Arc::clone(&self.charge.in_flight))))
    }
}
