//! A record on its way to a handler.

mod batch;
mod cause;
mod position;
mod settled_above;
mod shutdown;
mod trace_parent;

pub use batch::{ByteCharge, RecordBatch, RecordRef, RecordSource};
pub use cause::{CAUSATION_ID, Cause};
pub use position::{Epoch, NextOffset, Offset, Position, TopicPartition};
pub(crate) use settled_above::{Remembered, Stamp};
pub use settled_above::{SettledAbove, SettledRange};
pub use shutdown::Shutdown;
pub use trace_parent::TraceParent;

use crate::event::Envelope;
use crate::state::StateMap;

/// One record in one attempt at handling it: what arguments are made from.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The partition it came from.
    pub partition: &'a TopicPartition,
    /// The record as it lies on the broker.
    pub record: RecordRef<'a>,
    /// Its outer object; `None` for a tombstone, which has no value, and for what is no event and goes to a
    /// handler that takes every record.
    pub envelope: Option<&'a Envelope<'a>>,
    /// The [id](crate::handler::HandlerRegistration::id) of the handler.
    pub handler: &'a str,
    /// Which attempt this is, from 1 on.
    pub attempt: u32,
    /// The number of the last attempt, if all fail.
    pub attempts: u32,
    /// What handlers share.
    pub state: &'a StateMap,
    /// Whether it is time to end.
    pub shutdown: &'a Shutdown,
}

impl Delivery<'_> {
    /// The event's name; `None` for a tombstone and for what is no event.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.envelope.map(Envelope::event_type)
    }

    /// Where the record lies.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            topic: self.partition.topic.clone(),
            partition: self.partition.partition,
            offset: self.record.offset,
            timestamp_ms: self.record.timestamp_ms,
        }
    }
}
