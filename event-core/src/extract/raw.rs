//! The record as it lies on the broker.

use bytes::Bytes;

use super::{EnvelopeUse, FromDelivery};
use crate::delivery::{Delivery, Position};
use crate::event::Headers;
use crate::outcome::Rejection;

/// A copy of the whole record, for a handler that stores or forwards it as it is.
#[derive(Clone, Debug)]
pub struct RawEvent {
    /// Where it lies.
    pub position: Position,
    /// The event's name; `None` for a tombstone and for what is no event.
    pub event_type: Option<String>,
    /// The key; null and empty are different.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

impl<'a> FromDelivery<'a> for RawEvent {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(RawEvent {
            position: delivery.position(),
            event_type: delivery.event_type().map(str::to_owned),
            key: delivery.record.key.map(Bytes::copy_from_slice),
            value: delivery.record.value.map(Bytes::copy_from_slice),
            headers: delivery.record.to_headers(),
        })
    }
}
