//! Records on their way to a member, which count until they are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cluster::{Cluster, StoredRecord};
use crate::broker::size_bytes;
use crate::delivery::{Offset, RecordSource};

pub(super) struct Records {
    records: Vec<Arc<StoredRecord>>,
    bytes: usize,
    in_flight: Arc<AtomicUsize>,
    cluster: Arc<Cluster>,
}

impl Records {
    pub(super) fn new(
        records: Vec<Arc<StoredRecord>>,
        in_flight: Arc<AtomicUsize>,
        cluster: Arc<Cluster>,
    ) -> Self {
        let bytes = records.iter().map(|r| size_bytes(&r.key, &r.value, &r.headers)).sum();
        in_flight.fetch_add(bytes, Ordering::AcqRel);
        Records { records, bytes, in_flight, cluster }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.bytes, Ordering::AcqRel);
        self.cluster.wake();
    }
}

impl RecordSource for Records {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn stamp(&self, index: usize) -> (Offset, i64) {
        (self.records[index].offset, self.records[index].timestamp_ms)
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        self.records[index].key.as_deref()
    }

    fn value(&self, index: usize) -> Option<&[u8]> {
        self.records[index].value.as_deref()
    }

    fn header_count(&self, index: usize) -> usize {
        self.records[index].headers.len()
    }

    fn header(&self, index: usize, header: usize) -> (&[u8], Option<&[u8]>) {
        let header = self.records[index].headers.iter().nth(header);
        header.map_or((&[], None), |header| (&header.name, header.value.as_deref()))
    }

    fn size_bytes(&self) -> usize {
        self.bytes
    }
}
