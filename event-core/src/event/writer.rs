//! Writes the envelope of an event.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Contract, EventId, UserId};

/// Writes events as the JSON object that every reader of the topic understands.
///
/// ```
/// # use event_core::{event::EventWriter, prelude::*};
/// # #[derive(Event, serde::Serialize)]
/// # #[event(topic = "user_events", name = "USER_CREATED", key = id)]
/// # struct UserCreated { id: i64 }
/// let json = EventWriter::new().user_id(42).write(&UserCreated { id: 1 })?;
/// assert!(json.starts_with(br#"{"eventType":"USER_CREATED","userId":42,"data":{"id":1},"eventId":""#));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EventWriter {
    user_id: Option<UserId>,
    event_id: Option<EventId>,
    occurred_at: Option<Timestamp>,
}

impl EventWriter {
    /// A writer that makes up the event's identity and takes the time of writing.
    #[must_use]
    pub fn new() -> Self {
        EventWriter::default()
    }

    /// Sets who causes the event.
    #[must_use]
    pub fn user_id(mut self, user_id: impl Into<UserId>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// Sets the identity in place of a new UUIDv7; one that [identifies nothing](EventId::is_blank)
    /// is not written.
    #[must_use]
    pub fn event_id(mut self, event_id: EventId) -> Self {
        self.event_id = Some(event_id).filter(|id| !id.is_blank());
        self
    }

    /// Sets when it happened in place of now.
    #[must_use]
    pub fn occurred_at(mut self, occurred_at: Timestamp) -> Self {
        self.occurred_at = Some(occurred_at);
        self
    }

    /// Writes `event` with its contract's name and version.
    ///
    /// # Errors
    ///
    /// What the event's own `Serialize` returns.
    pub fn write<E: Contract + Serialize>(&self, event: &E) -> serde_json::Result<Vec<u8>> {
        self.write_untyped(E::INFO.name, E::INFO.version, event)
    }

    /// Writes `data` under a name that no contract stands for.
    ///
    /// # Errors
    ///
    /// What the `Serialize` of `data` returns.
    pub fn write_untyped<D: Serialize + ?Sized>(
        &self,
        name: &str,
        version: u32,
        data: &D,
    ) -> serde_json::Result<Vec<u8>> {
        // Room for most events, so that it seldom grows.
        let mut json = Vec::with_capacity(512);
        self.write_into(&mut json, name, version, data)?;
        Ok(json)
    }

    /// Writes `event` behind what is in `json`.
    pub(crate) fn write_into<D: Serialize + ?Sized>(
        &self,
        json: &mut Vec<u8>,
        name: &str,
        version: u32,
        data: &D,
    ) -> serde_json::Result<()> {
        let wire = Wire {
            event_type: name,
            user_id: self.user_id.as_ref(),
            data,
            event_id: self.event_id.clone().unwrap_or_else(EventId::generate),
            occurred_at: self.occurred_at.unwrap_or_else(Timestamp::now),
            version,
        };
        serde_json::to_writer(json, &wire)
    }
}

// `userId` is written even when nobody is known: the services beside us read it by index.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a, D: ?Sized> {
    event_type: &'a str,
    user_id: Option<&'a UserId>,
    data: &'a D,
    event_id: EventId,
    #[serde(serialize_with = "as_text")]
    occurred_at: Timestamp,
    version: u32,
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
