//! Several records on their way to the loop of their handler.
//!
//! A batch may have no more than one record, as where records of several handlers alternate, and shall then cost
//! no more than one: what is made for each record is made in place there.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use super::Delivery;
use super::next_record::{NextRecord, OpenRecord};

/// What the loop of a handler of several records gets: records of its own, or deliveries for one call.
pub enum HandedBatch<'a> {
    #[doc(hidden)]
    Next(NextBatch),
    #[doc(hidden)]
    Once(&'a [Delivery<'a>]),
}

/// The records of one call.
#[doc(hidden)]
pub struct NextBatch(Vec<NextRecord>);

thread_local! {
    static SPARE: Cell<Vec<NextRecord>> = const { Cell::new(Vec::new()) };
}

impl NextBatch {
    pub(crate) fn of(records: impl Iterator<Item = NextRecord>) -> Self {
        // What a batch before has left.
        let mut next = SPARE.take();
        next.extend(records);
        NextBatch(next)
    }
}

impl Drop for NextBatch {
    fn drop(&mut self) {
        let mut next = std::mem::take(&mut self.0);
        next.clear();
        SPARE.set(next);
    }
}

/// Records that were handed over, while the handler works on them.
pub struct OpenedBatch<'r>(Open<'r>);

enum Open<'r> {
    One(OpenRecord<'r>),
    Several(Vec<OpenRecord<'r>>),
    Once(&'r [Delivery<'r>]),
}

/// The records of a batch, as a handler sees them.
pub struct Deliveries<'r>(Each<'r>);

enum Each<'r> {
    One([Delivery<'r>; 1]),
    Several(Vec<Delivery<'r>>),
    Once(&'r [Delivery<'r>]),
}

impl HandedBatch<'_> {
    /// Opens the records; `None` when one is not in its batch.
    pub fn open(&self) -> Option<OpenedBatch<'_>> {
        let next = match self {
            HandedBatch::Next(NextBatch(next)) => next,
            HandedBatch::Once(deliveries) => return Some(OpenedBatch(Open::Once(deliveries))),
        };
        if let [next] = &next[..] {
            return Some(OpenedBatch(Open::One(next.open()?)));
        }
        let mut records = Vec::with_capacity(next.len());
        for next in next {
            records.push(next.open()?);
        }
        Some(OpenedBatch(Open::Several(records)))
    }
}

impl OpenedBatch<'_> {
    /// The records in this attempt.
    pub fn deliveries(&self) -> Deliveries<'_> {
        Deliveries(match &self.0 {
            Open::One(record) => Each::One([record.delivery()]),
            Open::Several(records) => {
                Each::Several(records.iter().map(OpenRecord::delivery).collect())
            }
            Open::Once(deliveries) => Each::Once(deliveries),
        })
    }

    /// Whether the outer object of one was read, and has fields that count as absent because they cannot be.
    pub(crate) fn has_ignored(&self) -> bool {
        match &self.0 {
            Open::One(record) => record.has_ignored(),
            Open::Several(records) => records.iter().any(OpenRecord::has_ignored),
            Open::Once(_) => false,
        }
    }
}

impl<'r> Deref for Deliveries<'r> {
    type Target = [Delivery<'r>];

    fn deref(&self) -> &[Delivery<'r>] {
        match &self.0 {
            Each::One(delivery) => delivery,
            Each::Several(deliveries) => deliveries,
            Each::Once(deliveries) => deliveries,
        }
    }
}

impl fmt::Debug for HandedBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandedBatch")
    }
}

impl fmt::Debug for NextBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NextBatch")
    }
}

impl fmt::Debug for OpenedBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedBatch")
    }
}

impl fmt::Debug for Deliveries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deliveries")
    }
}
