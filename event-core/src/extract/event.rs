//! The payload of a contract, with what the envelope says about it.

use std::future::{Ready, ready};
use std::ops::Deref;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{EnvelopeUse, FromDelivery};
use crate::delivery::Delivery;
use crate::event::{
    ContractInfo, Envelope, EnvelopeError, EnvelopeRules, EventId, OnePass, Payload, Scanned,
    UserId, extra_field, read_in_one_pass,
};
use crate::outcome::Rejection;

/// The payload of an event, decoded once. Derefs to it and serializes as it.
///
/// The payload may borrow from the record: `Event<ClaimAdded<'_>>`.
///
/// ```
/// # use event_core::prelude::*;
/// # #[derive(Event)]
/// # #[event(topic = "role_events", name = "CLAIM_ADDED")]
/// # struct ClaimAdded { id: i64 }
/// let event = Event::new(ClaimAdded { id: 7 }).with_user_id(42);
/// assert_eq!(event.id, 7);
/// assert_eq!(event.user_id().unwrap().to_string(), "42");
/// ```
#[derive(Clone, Debug)]
pub struct Event<T> {
    payload: T,
    user_id: Option<UserId>,
    event_id: Option<EventId>,
    occurred_at: Option<Timestamp>,
    version: u32,
    // The whole record, kept only when it has fields that the envelope does not know.
    record: Option<Box<str>>,
}

impl<T> Event<T> {
    /// An event around `payload` with nothing else known, for calling a handler in a unit test.
    pub fn new(payload: T) -> Self {
        Event {
            payload,
            user_id: None,
            event_id: None,
            occurred_at: None,
            version: 1,
            record: None,
        }
    }

    /// The same event, caused by `user_id`.
    #[must_use]
    pub fn with_user_id(mut self, user_id: impl Into<UserId>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// The same event with an identity; one that [identifies nothing](EventId::is_blank) is none.
    #[must_use]
    pub fn with_event_id(mut self, event_id: EventId) -> Self {
        self.event_id = Some(event_id).filter(|id| !id.is_blank());
        self
    }

    /// The same event with the time at which it happened.
    #[must_use]
    pub fn with_occurred_at(mut self, occurred_at: Timestamp) -> Self {
        self.occurred_at = Some(occurred_at);
        self
    }

    /// Reads the event of an envelope.
    pub(crate) fn read<'a>(envelope: &Envelope<'a>) -> Result<Self, EnvelopeError>
    where
        T: Payload<'a>,
    {
        Ok(Event {
            payload: T::read(envelope)?,
            user_id: envelope.user_id()?,
            event_id: envelope.event_id().cloned(),
            occurred_at: envelope.occurred_at(),
            version: envelope.version()?,
            record: envelope.has_extra().then(|| envelope.text().into()),
        })
    }

    /// Reads a scanned record in one pass; `None` where its [`Envelope`] decides.
    pub(crate) fn read_scanned<'a>(scanned: Scanned<'a>, rules: EnvelopeRules) -> Option<Self>
    where
        T: Payload<'a>,
    {
        let read = read_in_one_pass(scanned, rules, T::read_in_place)?;
        let OnePass { payload, user_id, event_id, occurred_at, version, has_extra } = read;
        let record = has_extra.then(|| scanned.text.into());
        Some(Event { payload, user_id, event_id, occurred_at, version, record })
    }

    /// Who caused it; `None` when the record does not say.
    pub fn user_id(&self) -> Option<&UserId> {
        self.user_id.as_ref()
    }

    /// Which event it is; `None` when the producer gave it no identity.
    pub fn event_id(&self) -> Option<&EventId> {
        self.event_id.as_ref()
    }

    /// When it happened; `None` when absent or not in the form of RFC 3339.
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.occurred_at
    }

    /// The version of the data in the record.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// A top-level field that the envelope does not know, as JSON.
    pub fn extra(&self, name: &str) -> Option<&RawValue> {
        extra_field(self.record.as_deref()?, name)
    }

    /// The payload alone.
    pub fn into_inner(self) -> T {
        self.payload
    }
}

impl<T> Deref for Event<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

impl<T: Serialize> Serialize for Event<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.payload.serialize(serializer)
    }
}

impl<'a, T> FromDelivery<'a> for Event<T>
where
    T: Payload<'a> + Send + 'a,
{
    const EVENTS: &'static [&'static ContractInfo] = T::EVENTS;
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Always;

    #[expect(
        refining_impl_trait,
        reason = "with a future that has a name, a payload that does not fit is reported once"
    )]
    fn from_delivery(delivery: &'a Delivery<'a>) -> Ready<Result<Self, Rejection>> {
        let scanned = delivery.envelope.scanned();
        let rules = delivery.envelope.rules();
        ready(match scanned.and_then(|scanned| Event::read_scanned(scanned, rules)) {
            Some(event) => Ok(event),
            None => delivery.envelope().and_then(|envelope| Ok(Event::read(envelope)?)),
        })
    }
}
