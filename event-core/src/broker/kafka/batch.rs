//! Collects the records of one partition in one buffer.
//!
//! librdkafka's own message is an allocation and a reference count each, and pins the whole
//! network buffer. A copy into one buffer a batch costs less than handing those on, and keeps
//! the byte budget exact.

use std::mem::{self, size_of};
use std::sync::{Arc, Mutex, PoisonError};

use super::assignment::Owned;
use super::budget::{Budget, Charge, InFlight};
use super::raw::MessageView;
use crate::delivery::{
    ByteCharge, Epoch, NextOffset, Offset, RecordBatch, RecordSource, TopicPartition,
};

/// A batch is handed over at this many records, or at the bytes that the budget allows; one
/// larger record is a batch of its own.
const MAX_RECORDS: usize = 1024;

/// How many buffers are kept for the next batches, and of what size: smaller ones are cheap to allocate.
const MAX_SPARE: usize = 8;
const MIN_SPARE_BYTES: usize = 16 << 10;
const MAX_SPARE_BYTES: usize = 512 << 10;

/// An absent key or value. No record reaches 4 GiB: the protocol's lengths are signed.
const NULL: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    timestamp_ms: i64,
    start: u32,
    key_len: u32,
    value_len: u32,
    first_header: u32,
}

#[derive(Clone, Copy)]
struct HeaderEntry {
    start: u32,
    name_len: u32,
    value_len: u32,
}

/// The leader epoch of the records from `first` on: an entry for each change, and so mostly one.
#[derive(Clone, Copy)]
struct LeaderEpoch {
    first: usize,
    epoch: Option<i32>,
}

/// A batch that is being filled.
pub(super) struct OpenBatch {
    partition: Arc<TopicPartition>,
    epoch: Epoch,
    in_flight: Arc<InFlight>,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    headers: Vec<HeaderEntry>,
    epochs: Vec<LeaderEpoch>,
    max_bytes: usize,
    next: Option<NextOffset>,
    leader_epoch: Option<i32>,
}

impl OpenBatch {
    /// Starts a batch with room for what is expected.
    pub(super) fn new(owned: Owned, budget: &Budget, expected: Expected) -> Self {
        let Buffers { bytes, entries } = budget.spare.take(expected);
        OpenBatch {
            partition: owned.partition,
            epoch: owned.epoch,
            in_flight: owned.in_flight,
            bytes,
            entries,
            headers: Vec::new(),
            epochs: Vec::new(),
            max_bytes: budget.batch_bytes(),
            next: owned.next,
            leader_epoch: owned.leader_epoch,
        }
    }

    pub(super) fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// What counts against the share of its partition.
    pub(super) fn in_flight(&self) -> Arc<InFlight> {
        Arc::clone(&self.in_flight)
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where the next record is expected.
    pub(super) fn next(&self) -> Option<NextOffset> {
        self.next
    }

    /// The first offset of each leader's epoch in it.
    pub(super) fn leader_epochs(&self) -> Vec<(i64, Option<i32>)> {
        let offset = |first| self.entries.get(first).map(|entry: &Entry| entry.offset);
        let epochs = self.epochs.iter();
        epochs.filter_map(|change| Some((offset(change.first)?, change.epoch))).collect()
    }

    /// The leader epoch of what lies before it.
    pub(super) fn leader_epoch(&self) -> Option<i32> {
        self.leader_epoch
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= MAX_RECORDS || self.bytes.len() >= self.max_bytes
    }

    /// Copies a message in.
    pub(super) fn push(&mut self, message: MessageView<'_>) {
        let start = self.mark();
        let first_header = u32::try_from(self.headers.len()).unwrap_or(NULL);
        let key_len = append(&mut self.bytes, message.key());
        let value_len = append(&mut self.bytes, message.value());
        let (bytes, headers) = (&mut self.bytes, &mut self.headers);
        message.for_each_header(|name, value| {
            let start = u32::try_from(bytes.len()).unwrap_or(NULL);
            let name_len = append(bytes, Some(name));
            let value_len = append(bytes, value);
            headers.push(HeaderEntry { start, name_len, value_len });
        });
        let epoch = message.leader_epoch();
        if self.epochs.last().is_none_or(|last| last.epoch != epoch) {
            self.epochs.push(LeaderEpoch { first: self.entries.len(), epoch });
        }
        self.leader_epoch = epoch;
        self.next = Some(Offset(message.offset()).next());
        self.entries.push(Entry {
            offset: message.offset(),
            timestamp_ms: message.timestamp_ms(),
            start,
            key_len,
            value_len,
            first_header,
        });
    }

    fn mark(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(NULL)
    }

    /// What to expect of the next batch.
    pub(super) fn expect_alike(&self) -> Expected {
        Expected { bytes: self.bytes.len().min(self.max_bytes * 2), records: self.entries.len() }
    }

    /// Hands the batch over, charged to `budget` until it is dropped.
    pub(super) fn finish(mut self, budget: &Arc<Budget>) -> RecordBatch {
        // The guess at the size was too high: after a busy time, say.
        if self.bytes.len() < self.bytes.capacity() / 2 {
            self.bytes.shrink_to_fit();
            self.entries.shrink_to_fit();
        }
        // The index counts too: a million empty records are not free.
        let charge = budget.charge(
            &self.in_flight,
            self.bytes.capacity()
                + self.entries.capacity() * size_of::<Entry>()
                + self.headers.capacity() * size_of::<HeaderEntry>(),
        );
        let source = Arena {
            bytes: self.bytes,
            entries: self.entries,
            headers: self.headers,
            epochs: self.epochs,
            charge,
        };
        RecordBatch::new(self.partition, self.epoch, Box::new(source))
    }
}

/// The size that the last batch had.
#[derive(Clone, Copy, Default)]
pub(super) struct Expected {
    bytes: usize,
    records: usize,
}

impl Expected {
    /// The mean size of a record; unknown before the first batch.
    pub(super) fn record_bytes(self) -> Option<usize> {
        Some(self.bytes.checked_div(self.records)? + size_of::<Entry>())
    }
}

fn append(bytes: &mut Vec<u8>, part: Option<&[u8]>) -> u32 {
    match part {
        None => NULL,
        Some(part) => {
            bytes.extend_from_slice(part);
            u32::try_from(part.len()).unwrap_or(NULL)
        }
    }
}

/// What a batch is written into.
#[derive(Debug, Default)]
struct Buffers {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// Buffers of batches that were dropped, for the next ones: memory that was just used is still in a cache of
/// the processor, while large buffers that are allocated anew come from the kernel, page by page.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<Buffers>>);

impl Spare {
    fn take(&self, expected: Expected) -> Buffers {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // After a busy time they are too large, and one goes with each batch.
        spare.filter(|spare| spare.bytes.capacity() / 2 <= expected.bytes).unwrap_or_else(|| {
            Buffers {
                bytes: Vec::with_capacity(expected.bytes),
                entries: Vec::with_capacity(expected.records),
            }
        })
    }

    fn give_back(&self, mut buffers: Buffers) {
        if (MIN_SPARE_BYTES..=MAX_SPARE_BYTES).contains(&buffers.bytes.capacity()) {
            buffers.bytes.clear();
            buffers.entries.clear();
            let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < MAX_SPARE {
                spare.push(buffers);
            }
        }
    }
}

/// The records of one batch: keys, values and headers one behind the other.
struct Arena {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    headers: Vec<HeaderEntry>,
    epochs: Vec<LeaderEpoch>,
    charge: Charge,
}

impl Arena {
    fn part(&self, start: usize, len: u32) -> Option<&[u8]> {
        (len != NULL).then(|| &self.bytes[start..start + len as usize])
    }

    fn header_range(&self, index: usize) -> std::ops::Range<usize> {
        let start = self.entries[index].first_header as usize;
        let end = self
            .entries
            .get(index + 1)
            .map_or(self.headers.len(), |entry| entry.first_header as usize);
        start..end
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let (bytes, entries) = (mem::take(&mut self.bytes), mem::take(&mut self.entries));
        self.charge.budget.spare.give_back(Buffers { bytes, entries });
    }
}

fn known(len: u32) -> usize {
    if len == NULL { 0 } else { len as usize }
}

impl RecordSource for Arena {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn stamp(&self, index: usize) -> (Offset, i64) {
        let entry = &self.entries[index];
        (Offset(entry.offset), entry.timestamp_ms)
    }

    fn leader_epoch(&self, index: usize) -> Option<i32> {
        let after = self.epochs.partition_point(|change| change.first <= index);
        self.epochs.get(after.checked_sub(1)?)?.epoch
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        let entry = &self.entries[index];
        self.part(entry.start as usize, entry.key_len)
    }

    fn value(&self, index: usize) -> Option<&[u8]> {
        let entry = &self.entries[index];
        self.part(entry.start as usize + known(entry.key_len), entry.value_len)
    }

    fn header_count(&self, index: usize) -> usize {
        self.header_range(index).len()
    }

    fn header(&self, index: usize, header: usize) -> (&[u8], Option<&[u8]>) {
        let entry = self.headers[self.header_range(index)][header];
        let start = entry.start as usize;
        let name = self.part(start, entry.name_len).unwrap_or_default();
        (name, self.part(start + known(entry.name_len), entry.value_len))
    }

    fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn charge(&self, bytes: usize) -> Option<ByteCharge> {
        Some(Box::new(self.charge.another(bytes)))
    }
}
