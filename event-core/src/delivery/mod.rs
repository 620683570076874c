//! A record on its way to a handler.

mod batch;
mod position;

pub use batch::{RecordBatch, RecordRef, RecordSource};
pub use position::{Epoch, NextOffset, Offset, Position, TopicPartition};

use crate::event::Envelope;
use crate::state::StateMap;

/// One record in one attempt at handling it: what arguments are made from.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The partition it came from.
    pub partition: &'a TopicPartition,
    /// The record as it lies on the broker.
    pub record: RecordRef<'a>,
    /// Its outer object.
    pub envelope: &'a Envelope<'a>,
    /// Which attempt this is, from 1 on.
    pub attempt: u32,
    /// What handlers share.
    pub state: &'a StateMap,
}

impl Delivery<'_> {
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
