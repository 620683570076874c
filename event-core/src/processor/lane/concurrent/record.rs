//! What a lane knows of an in-flight record.

use crate::delivery::{OpenBatch, RecordRef};
use crate::processor::settle::Job;
use crate::processor::tracker::Sequence;

/// A record that is not settled.
pub(super) struct InFlight {
    pub(super) sequence: Sequence,
    /// The number of its batch, and its index there.
    pub(super) batch: usize,
    pub(super) index: usize,
    pub(super) name: EventName,
    /// Whether a call or the outcome of one has it.
    pub(super) is_running: bool,
    /// What is known of it beyond that; of one that comes from a topic that handlers listen to, only once an
    /// attempt has failed. A call has it while the record is in hand.
    pub(super) job: Option<Box<Job>>,
}

/// Where in the value of a record the scan found the event's name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EventName {
    start: u32,
    /// 0 when the record was not scanned.
    len: u32,
}

impl EventName {
    /// Where `name` lies in the value of `record`.
    pub(super) fn of(record: RecordRef<'_>, name: &str) -> Self {
        let value = record.value.unwrap_or_default();
        let start = name.as_ptr().addr().wrapping_sub(value.as_ptr().addr());
        match (u32::try_from(start), u32::try_from(name.len())) {
            (Ok(start), Ok(len)) => EventName { start, len },
            _ => EventName::default(),
        }
    }

    pub(super) fn is_scanned(self) -> bool {
        self.len > 0
    }

    /// The name, when the record was scanned.
    pub(super) fn in_value(self, batch: &OpenBatch, index: usize) -> Option<&str> {
        let start = self.start as usize;
        let name = batch.records.get(index)?.value?.get(start..start + self.len as usize)?;
        std::str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }
}
