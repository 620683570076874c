//! Keeps back what the engine would write besides what handlers send.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Replayed;
use crate::broker::{Acknowledged, BrokerError, OutgoingRecord, PortFuture, Producer};
use crate::delivery::{Offset, TopicPartition};
use crate::event::TopicName;
use crate::processor::{dead_letter_header, retry_header};

pub(super) struct ReplayProducer {
    pub(super) inner: Arc<dyn Producer>,
    /// Dead-letter topics to which nothing is written.
    pub(super) withheld: BTreeSet<TopicName>,
    /// The retry topics, to which nothing is written either.
    pub(super) retry_topics: BTreeSet<TopicName>,
    pub(super) replayed: Replayed,
}

impl Producer for ReplayProducer {
    fn send(
        &self,
        record: OutgoingRecord,
    ) -> PortFuture<'static, Result<Acknowledged, BrokerError>> {
        let has = |name| record.headers.get(name).is_some();
        let is_letter = has(dead_letter_header::ID) && self.withheld.contains(&record.topic);
        // On any other topic the header is the user's own.
        let is_retry = has(retry_header::DUE) && self.retry_topics.contains(&record.topic);
        if is_retry {
            self.replayed.change(|state| state.put_off += 1);
        }
        if !is_letter && !is_retry {
            return self.inner.send(record);
        }
        let partition = TopicPartition { topic: record.topic, partition: 0 };
        let acknowledged = Acknowledged { partition, offset: Offset(-1) };
        Box::pin(std::future::ready(Ok(acknowledged)))
    }

    fn flush(&self, timeout: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
        self.inner.flush(timeout)
    }
}
