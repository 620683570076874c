//! Reads records in memory without a group.

use std::sync::Arc;

use super::cluster::Cluster;
use super::consumer::read;
use super::end_of;
use super::records::Records;
use crate::broker::{BrokerError, ReadRequest, Reader};
use crate::delivery::{Epoch, NextOffset, RecordBatch, TopicPartition};

/// A reader of the memory broker.
pub struct MemoryReader {
    cluster: Arc<Cluster>,
    open: Vec<Open>,
    failure: Option<BrokerError>,
}

/// A partition that is not read to its end.
struct Open {
    partition: Arc<TopicPartition>,
    next: NextOffset,
    to: Option<NextOffset>,
}

impl MemoryReader {
    pub(super) fn new(cluster: Arc<Cluster>, request: ReadRequest) -> Self {
        let ReadRequest { partitions, follow } = request;
        let opened: Result<Vec<Open>, BrokerError> = cluster.read(|state| {
            let open = |(partition, from, to): (TopicPartition, NextOffset, Option<NextOffset>)| {
                let end = end_of(state.log(&partition)?);
                let next = from.clamp(NextOffset(0), end);
                let to = if follow { to } else { Some(to.map_or(end, |to| to.min(end))) };
                Ok(Open { partition: Arc::new(partition), next, to })
            };
            partitions.into_iter().map(open).collect()
        });
        let (open, failure) = match opened {
            Ok(open) => (open, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        MemoryReader { cluster, open, failure }
    }

    fn try_next(&mut self) -> Option<RecordBatch> {
        for (index, open) in self.open.iter_mut().enumerate() {
            let mut records = self.cluster.read(|state| read(state, &open.partition, open.next));
            records.retain(|record| open.to.is_none_or(|to| record.offset.0 < to.0));
            if let Some(last) = records.last() {
                open.next = last.offset.next();
                let source = Records::new(records, Arc::default(), Arc::clone(&self.cluster));
                let partition = Arc::clone(&open.partition);
                // The others have their turn first.
                self.open[index..].rotate_left(1);
                return Some(RecordBatch::new(partition, Epoch::default(), Box::new(source)));
            }
        }
        None
    }
}

impl Reader for MemoryReader {
    async fn next(&mut self) -> Option<Result<RecordBatch, BrokerError>> {
        if let Some(error) = self.failure.take() {
            return Some(Err(error));
        }
        loop {
            let cluster = Arc::clone(&self.cluster);
            let changed = cluster.changed();
            // As with a consumer: before anything is taken.
            tokio::task::coop::consume_budget().await;
            if let Some(batch) = self.try_next() {
                return Some(Ok(batch));
            }
            self.open.retain(|open| open.to.is_none_or(|to| open.next < to));
            if self.open.is_empty() {
                return None;
            }
            changed.await;
        }
    }
}
