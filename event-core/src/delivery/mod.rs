//! A record on its way to a handler.

mod batch;
mod cause;
mod lazy_envelope;
mod next_batch;
mod next_record;
mod origin;
mod position;
mod settled_above;
mod shutdown;
mod trace_parent;

pub use batch::{ByteCharge, RecordBatch, RecordRef, RecordSource};
pub use cause::{CAUSATION_ID, Cause};
pub use lazy_envelope::{LazyEnvelope, ReadEnvelope};
pub use next_batch::{Deliveries, HandedBatch, NextBatch, OpenedBatch};
pub(crate) use next_record::{DeliveryContext, NextRecord, OpenBatch};
pub use next_record::{Handed, Next, Opened};
pub(crate) use origin::Origin;
pub use position::{Epoch, NextOffset, Offset, Position, TopicPartition};
pub(crate) use settled_above::{Remembered, Stamp};
pub use settled_above::{SettledAbove, SettledRange};
pub use shutdown::Shutdown;
pub use trace_parent::TraceParent;

use crate::event::Envelope;
use crate::state::StateMap;

/// One record in one attempt at handling it: what arguments are made from.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The partition it came from.
    pub partition: &'a TopicPartition,
    /// The record as it lies on the broker.
    pub record: RecordRef<'a>,
    /// Reads its outer object when somebody asks for it: see [`envelope`](Delivery::envelope).
    pub envelope: &'a (dyn ReadEnvelope + 'a),
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

impl<'a> Delivery<'a> {
    /// The event's name; `None` for a tombstone and for what is no event.
    #[must_use]
    pub fn event_type(&self) -> Option<&'a str> {
        match self.envelope.scanned() {
            Some(scanned) => Some(scanned.event_type),
            None => self.envelope.read().map(Envelope::event_type),
        }
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

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (partition, offset) = (self.partition, self.record.offset);
        write!(f, "Delivery({partition}@{offset} to `{}`, attempt {})", self.handler, self.attempt)
    }
}
