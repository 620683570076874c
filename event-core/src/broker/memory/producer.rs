//! Sends into memory; what is sent is acknowledged at once.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use crate::broker::{Acknowledged, BrokerError, OutgoingRecord, PortFuture, Producer};

pub(super) struct MemoryProducer(pub(super) Arc<Cluster>);

impl Producer for MemoryProducer {
    fn send(
        &self,
        record: OutgoingRecord,
    ) -> PortFuture<'static, Result<Acknowledged, BrokerError>> {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let sent = self.0.change(|state| state.append(record, now_ms));
        let acknowledged = sent.map(|(partition, offset)| Acknowledged { partition, offset });
        Box::pin(std::future::ready(acknowledged))
    }

    fn flush(&self, _deadline: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
