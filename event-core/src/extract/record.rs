//! What the record and its delivery say beside the payload.

use super::{EnvelopeUse, FromDelivery};
use crate::delivery::{Delivery, Position, Shutdown};
use crate::event::{Envelope, Headers};
use crate::outcome::Rejection;

/// Which attempt at the record this is.
///
/// ```
/// use event_core::prelude::*;
///
/// #[event_handler(topic = "mail_events", event = "MAIL_REQUESTED")]
/// async fn send_mail(Json(address): Json<String>, attempt: Attempt) -> Result {
///     let server = if attempt.is_last() { "backup" } else { "primary" };
///     println!("{address} by {server}");
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, from 1 on.
    pub number: u32,
    /// The number of the last one, if all fail: those here, those of the retry topics that follow,
    /// and those before a redrive.
    pub limit: u32,
}

impl Attempt {
    /// An attempt, for calling a handler in a unit test.
    #[must_use]
    pub fn new(number: u32, limit: u32) -> Self {
        Attempt { number, limit }
    }

    /// Whether a failure now sends the record to the dead letters.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.number >= self.limit
    }
}

impl<'a> FromDelivery<'a> for Attempt {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(Attempt::new(delivery.attempt, delivery.attempts))
    }
}

impl<'a> FromDelivery<'a> for Position {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(delivery.position())
    }
}

impl<'a> FromDelivery<'a> for Headers {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(delivery.record.to_headers())
    }
}

impl<'a> FromDelivery<'a> for Shutdown {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(delivery.shutdown.clone())
    }
}

/// The outer object of the record, with its data still as text.
impl<'a> FromDelivery<'a> for Envelope<'a> {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Always;

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        delivery.envelope().cloned()
    }
}
