//! Records travel in batches of one partition that own their bytes.
//!
//! Where the bytes live is the broker's business: behind [`RecordSource`] may be a copy, an
//! arena or the client library's own buffers. What reads them sees [`RecordRef`] only.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{Epoch, Offset, Stamp, TopicPartition};
use crate::event::{Header, Headers};

/// The bytes of a batch, by index.
pub trait RecordSource: Send + Sync {
    /// How many records there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The offset and timestamp (milliseconds since 1970) of a record.
    fn stamp(&self, index: usize) -> (Offset, i64);

    /// In which leader's epoch a record was written ([KIP-101]); `None` where that is not known.
    ///
    /// [KIP-101]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-101+-+Alter+Replication+Protocol+to+use+Leader+Epoch+rather+than+High+Watermark+for+Truncation
    fn leader_epoch(&self, index: usize) -> Option<i32> {
        let _ = index;
        None
    }

    /// The key; `None` is Kafka's null.
    fn key(&self, index: usize) -> Option<&[u8]>;

    /// The value; `None` is Kafka's null, a tombstone.
    fn value(&self, index: usize) -> Option<&[u8]>;

    /// How many headers a record has.
    fn header_count(&self, index: usize) -> usize;

    /// One header's name and value.
    fn header(&self, index: usize, header: usize) -> (&[u8], Option<&[u8]>);

    /// The bytes of the batch: keys, values and headers.
    fn size_bytes(&self) -> usize;

    /// Counts `bytes` that are copied out of the batch against the same limit as the batch, until what
    /// it gives back is dropped. A source without a limit counts nothing.
    fn charge(&self, bytes: usize) -> Option<ByteCharge> {
        let _ = bytes;
        None
    }
}

/// Gives bytes back to the limit that they count against, when it is dropped.
pub type ByteCharge = Box<dyn Send + Sync>;

/// Records of one partition in the order of their offsets.
pub struct RecordBatch {
    partition: Arc<TopicPartition>,
    epoch: Epoch,
    source: Box<dyn RecordSource>,
}

impl RecordBatch {
    /// Takes the records of `source` as read from `partition` in `epoch`.
    #[must_use]
    pub fn new(
        partition: Arc<TopicPartition>,
        epoch: Epoch,
        source: Box<dyn RecordSource>,
    ) -> Self {
        RecordBatch { partition, epoch, source }
    }

    /// The partition that all records come from.
    #[must_use]
    pub fn partition(&self) -> &Arc<TopicPartition> {
        &self.partition
    }

    /// The assignment in which they were read.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// The bytes of all keys, values and headers.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.source.size_bytes()
    }

    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = RecordRef<'_>> {
        (0..self.source.len()).filter_map(|index| self.get(index))
    }

    /// The record with this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<RecordRef<'_>> {
        if index >= self.source.len() {
            return None;
        }
        let (offset, timestamp_ms) = self.source.stamp(index);
        Some(RecordRef {
            offset,
            timestamp_ms,
            key: self.source.key(index),
            value: self.source.value(index),
            source: &*self.source,
            index,
        })
    }

    /// The offset of the record with this index.
    pub(crate) fn offset(&self, index: usize) -> Option<Offset> {
        (index < self.source.len()).then(|| self.source.stamp(index).0)
    }

    /// The offset of the first record.
    #[must_use]
    pub fn first_offset(&self) -> Option<Offset> {
        (!self.is_empty()).then(|| self.source.stamp(0).0)
    }

    /// A batch of a copy of one record, which counts as long as it lives, with `overhead_bytes`.
    pub(crate) fn of_one(
        partition: Arc<TopicPartition>,
        epoch: Epoch,
        record: RecordRef<'_>,
        overhead_bytes: usize,
    ) -> Self {
        let copy = |part: Option<&[u8]>| part.map(Box::from);
        let mut source = OneRecord {
            stamp: (record.offset, record.timestamp_ms),
            leader_epoch: record.leader_epoch(),
            key: copy(record.key),
            value: copy(record.value),
            headers: record.headers().map(|(name, value)| (name.into(), copy(value))).collect(),
            _charge: None,
        };
        source._charge = record.source.charge(source.size_bytes() + overhead_bytes);
        RecordBatch::new(partition, epoch, Box::new(source))
    }
}

type OwnedHeader = (Box<[u8]>, Option<Box<[u8]>>);

/// A record that owns its bytes.
struct OneRecord {
    stamp: (Offset, i64),
    leader_epoch: Option<i32>,
    key: Option<Box<[u8]>>,
    value: Option<Box<[u8]>>,
    headers: Box<[OwnedHeader]>,
    _charge: Option<ByteCharge>,
}

impl RecordSource for OneRecord {
    fn len(&self) -> usize {
        1
    }

    fn stamp(&self, _: usize) -> (Offset, i64) {
        self.stamp
    }

    fn leader_epoch(&self, _: usize) -> Option<i32> {
        self.leader_epoch
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
        let (name, value) = &self.headers[header];
        (name, value.as_deref())
    }

    fn size_bytes(&self) -> usize {
        let len = |part: &Option<Box<[u8]>>| part.as_ref().map_or(0, |part| part.len());
        let headers = self.headers.iter().map(|(name, value)| name.len() + len(value));
        len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}

impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordBatch({}, {} records)", self.partition, self.len())
    }
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// Milliseconds since 1970; negative when it has none.
    pub timestamp_ms: i64,
    /// The key; null and empty are different.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    source: &'a dyn RecordSource,
    index: usize,
}

impl<'a> RecordRef<'a> {
    /// The same record where it was first.
    pub(crate) fn as_of(self, offset: Offset, timestamp_ms: i64) -> Self {
        RecordRef { offset, timestamp_ms, ..self }
    }

    /// In which leader's epoch it was written; `None` where that is not known.
    #[must_use]
    pub fn leader_epoch(&self) -> Option<i32> {
        self.source.leader_epoch(self.index)
    }

    /// What distinguishes it from all others of its partition.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            offset: self.offset,
            leader_epoch: self.leader_epoch(),
            timestamp_ms: self.timestamp_ms,
        }
    }

    /// How many headers it has.
    #[must_use]
    pub fn header_count(&self) -> usize {
        self.source.header_count(self.index)
    }

    /// The headers in order, as borrowed bytes.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let (source, index) = (self.source, self.index);
        (0..source.header_count(index)).map(move |header| source.header(index, header))
    }

    /// The value of the last header called `name`, as Kafka's own clients resolve repeats.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().filter(|(own, _)| *own == name.as_bytes()).last()?.1
    }

    /// The same among those behind the last header called `begin`: what was put on a record in one
    /// run that begins with it, whatever the record had before.
    pub(crate) fn header_behind(&self, begin: &str, name: &str) -> Option<&'a [u8]> {
        let (mut begun, mut found) = (false, None);
        for (own, value) in self.headers() {
            if own == begin.as_bytes() {
                (begun, found) = (true, None);
            } else if begun && own == name.as_bytes() {
                found = value;
            }
        }
        found
    }

    /// A copy of the headers.
    #[must_use]
    pub fn to_headers(&self) -> Headers {
        self.headers()
            .map(|(name, value)| Header {
                name: Bytes::copy_from_slice(name),
                value: value.map(Bytes::copy_from_slice),
            })
            .collect()
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordRef(@{})", self.offset)
    }
}
