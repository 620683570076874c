//! Sends into memory; what is sent is acknowledged at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::cluster::Cluster;
use super::faults::{Fault, Link, Request};
use crate::broker::{Acknowledged, BrokerError, OutgoingRecord, PortFuture, Producer};

pub(super) struct MemoryProducer {
    pub(super) cluster: Arc<Cluster>,
    pub(super) link: Arc<Link>,
}

impl Producer for MemoryProducer {
    fn send(
        &self,
        record: OutgoingRecord,
    ) -> PortFuture<'static, Result<Acknowledged, BrokerError>> {
        let answer = if self.link.is_cut() { None } else { Some(self.append(record)) };
        let (link, sent_at) = (Arc::clone(&self.link), Instant::now());
        Box::pin(async move {
            let Some((sent, delay)) = answer else { return std::future::pending().await };
            if !delay.is_zero() {
                // Answers are on their way whether or not anybody waits for them.
                sleep_until(sent_at + delay).await;
                if link.is_cut() {
                    return std::future::pending().await;
                }
            }
            sent
        })
    }

    fn flush(&self, _timeout: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl MemoryProducer {
    /// What is answered, and after how long.
    fn append(&self, record: OutgoingRecord) -> (Result<Acknowledged, BrokerError>, Duration) {
        let fault = self.cluster.faults.of(&Request::Produce(&record));
        if let Some(Fault::Refused(error)) = fault {
            return (Err(error), Duration::ZERO);
        }
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let sent = self.cluster.change(|state| state.append(record, now_ms));
        let acknowledged = sent.map(|(partition, offset)| Acknowledged { partition, offset });
        match fault {
            Some(Fault::Unanswered(error)) => (acknowledged.and(Err(error)), Duration::ZERO),
            Some(Fault::Slow(delay)) => (acknowledged, delay),
            _ => (acknowledged, Duration::ZERO),
        }
    }
}
