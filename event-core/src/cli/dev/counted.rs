//! Counts what is sent to the topics of the handlers and what became of it, so that `dev` knows when
//! nothing is left to handle: not the samples, and not what handlers sent because of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::broker::{
    Acknowledged, Broker, BrokerError, OutgoingRecord, PortFuture, Producer, Subscription,
    asks_inner,
};
use crate::event::TopicName;
use crate::observe::{Observation, Observer, SkipReason};

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

/// How often a consumer group was done with a record. What one group passes over because another
/// takes it was sent to both, and so counts for both.
pub(super) struct Done {
    readers: Arc<Readers>,
    count: AtomicU64,
    changed: Notify,
}

impl Done {
    pub(super) fn new(readers: Arc<Readers>) -> Self {
        Done { readers, count: AtomicU64::new(0), changed: Notify::new() }
    }

    /// Waits until everything that was sent is done with.
    pub(super) async fn wait_for_all(&self, sent: &Sent) {
        loop {
            let changed = self.changed.notified();
            if self.count.load(Ordering::Acquire) >= sent.count() {
                return;
            }
            changed.await;
        }
    }
}

impl Observer for Done {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Handled { .. } | Observation::DeadLettered { .. } => {}
            // On a retry topic it was not sent to this group.
            Observation::Skipped { partition, reason: SkipReason::OtherGroup, .. }
                if !self.readers.contains_key(&partition.topic) =>
            {
                return;
            }
            Observation::Skipped { .. } => {}
            _ => return,
        }
        self.count.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

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

    asks_inner!(inner);

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

    fn flush(&self, timeout: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
        self.inner.flush(timeout)
    }
}
