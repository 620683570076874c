//! What an event says of the record that caused it.

use super::Delivery;
use crate::event::{Headers, UserId};

/// The header with the identity of the event that caused this one: its `eventId`, or
/// `topic/partition@offset` when it has none.
pub const CAUSATION_ID: &str = "causation_id";

// W3C Trace Context, <https://www.w3.org/TR/trace-context/>: passed on as they are.
const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// What caused an event: who, by which event, in which trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    user_id: Option<UserId>,
    causation_id: Option<String>,
    trace: Headers,
}

impl Cause {
    /// The record of `delivery` as the cause.
    #[must_use]
    pub fn of(delivery: &Delivery<'_>) -> Self {
        let envelope = delivery.envelope.read();
        let event_id = envelope.and_then(|envelope| envelope.event_id());
        let event_id = event_id.map(ToString::to_string);
        let mut trace = Headers::new();
        for known in TRACE_HEADERS {
            if let Some(value) = delivery.record.header(known) {
                trace.push(known, value.to_vec());
            }
        }
        Cause {
            user_id: envelope.and_then(|envelope| envelope.user_id().ok().flatten()),
            causation_id: Some(event_id.unwrap_or_else(|| delivery.position().to_string())),
            trace,
        }
    }

    /// The same cause, but `user_id` is who did it.
    #[must_use]
    pub fn with_user_id(mut self, user_id: impl Into<UserId>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// Who caused it.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        self.user_id.as_ref()
    }

    /// Adds the headers that say so.
    pub fn add_headers(&self, headers: &mut Headers) {
        if let Some(causation_id) = &self.causation_id {
            headers.push(CAUSATION_ID, causation_id.clone());
        }
        for header in self.trace.iter() {
            headers.push_header(header.clone());
        }
    }
}
