//! One record with its bytes.

use bytes::Bytes;

use crate::delivery::{Offset, RecordRef, RecordSource};
use crate::event::Headers;

/// One record that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its place in the partition.
    pub offset: Offset,
    /// Milliseconds since 1970; negative when it has none.
    pub timestamp_ms: i64,
    /// The key; null and empty are different.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

impl From<RecordRef<'_>> for OwnedRecord {
    fn from(record: RecordRef<'_>) -> Self {
        OwnedRecord {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            headers: record.to_headers(),
        }
    }
}

/// It is a batch of one.
impl RecordSource for OwnedRecord {
    fn len(&self) -> usize {
        1
    }

    fn stamp(&self, _: usize) -> (Offset, i64) {
        (self.offset, self.timestamp_ms)
    }

    fn key(&self, _: usize) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn value(&self, _: usize) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn header_count(&self, _: usize) -> usize {
        self.headers.len()
    }

    fn header(&self, _: usize, header: usize) -> (&[u8], Option<&[u8]>) {
        let header = self.headers.iter().nth(header);
        header.map_or((&[], None), |header| (&header.name, header.value.as_deref()))
    }

    fn size_bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Bytes::len)
    }
}
