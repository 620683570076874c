//! Reads partitions without a group.

use crate::broker::{BrokerError, Reader};
use crate::delivery::RecordBatch;

/// A reader of a Kafka cluster.
pub struct KafkaReader(());

impl Reader for KafkaReader {
    async fn next(&mut self) -> Option<Result<RecordBatch, BrokerError>> {
        None
    }
}
