//! One line of the log, made from one event.

use event_core::event::Envelope;
use event_core::prelude::*;
use jiff::Timestamp;
use serde::Serialize;

/// What happened, who caused it, and the record it is known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The event's name: `CLAIM_ADDED`.
    pub action: String,
    /// Whoever caused it, where the event says so.
    pub user_id: Option<String>,
    /// One sentence for people.
    pub description: String,
    /// What kind of thing changed: `Roles`, `Users`.
    pub entity_name: String,
    /// The event's data as it stands in the record, with the fields that no contract knows.
    pub new_value: String,
    /// When it happened: as the event says, else when the record was written.
    pub occurred_at: Timestamp,
    /// The event's identity, where its producer gave it one.
    pub event_id: Option<String>,
    /// The record: `role_events/0@15`.
    pub source: String,
    /// Equal for two deliveries of one event, and only for these.
    pub dedupe_key: String,
}

impl AuditEntry {
    /// The entry for `event`, which was read from `raw`.
    ///
    /// # Errors
    ///
    /// What the payload's `Serialize` returns, where the record has no data of its own.
    pub fn new<T: Contract + Serialize>(
        event: &Event<T>,
        raw: &RawEvent,
        entity_name: &str,
        description: String,
    ) -> serde_json::Result<Self> {
        let position = &raw.position;
        let event_id = event.event_id().map(ToString::to_string);
        Ok(AuditEntry {
            action: T::INFO.name.to_owned(),
            user_id: event.user_id().map(ToString::to_string),
            description,
            entity_name: entity_name.to_owned(),
            new_value: match data(raw) {
                Some(data) => data,
                None => serde_json::to_string(event)?,
            },
            occurred_at: event
                .occurred_at()
                .or_else(|| position.timestamp())
                .unwrap_or_else(Timestamp::now),
            dedupe_key: dedupe_key::<T>(event_id.as_deref(), position),
            event_id,
            source: position.to_string(),
        })
    }
}

fn data(raw: &RawEvent) -> Option<String> {
    let envelope = Envelope::read(raw.value.as_deref()?).ok()?;
    envelope.data_text().map(str::to_owned)
}

// Producers need not agree on their identities, so two different events may share one. A position
// alone is not enough either: a broker that lost its data counts from 0 again, and its records
// are new ones.
fn dedupe_key<T: Contract>(event_id: Option<&str>, position: &Position) -> String {
    match event_id {
        Some(event_id) => format!("event {} {} {event_id}", T::INFO.topic, T::INFO.name),
        None => format!("record {position} {}", position.timestamp_ms),
    }
}

#[cfg(test)]
mod tests {
    use contracts::{ClaimAdded, ClaimRemoved};
    use event_core::delivery::Offset;
    use event_core::event::{EventId, Headers, TopicName};

    use super::*;

    fn raw(offset: i64, timestamp_ms: i64) -> RawEvent {
        let topic = TopicName::from_static("role_events");
        let position = Position { topic, partition: 0, offset: Offset(offset), timestamp_ms };
        let headers = Headers::new();
        RawEvent { position, event_type: None, key: None, value: None, headers }
    }

    fn entry<T>(event: Event<T>, offset: i64, timestamp_ms: i64) -> AuditEntry
    where
        T: Contract + Serialize,
    {
        AuditEntry::new(&event, &raw(offset, timestamp_ms), "Roles", String::new()).unwrap()
    }

    fn event() -> Event<ClaimAdded> {
        Event::new(ClaimAdded { id: 7, role_id: 3 })
    }

    #[test]
    fn a_redelivered_record_has_the_same_key() {
        assert_eq!(entry(event(), 15, 1000).dedupe_key, entry(event(), 15, 1000).dedupe_key);
    }

    #[test]
    fn another_record_has_another_key() {
        assert_ne!(entry(event(), 15, 1000).dedupe_key, entry(event(), 16, 1000).dedupe_key);
    }

    #[test]
    fn the_same_offset_of_a_fresh_broker_has_another_key() {
        assert_ne!(entry(event(), 0, 1000).dedupe_key, entry(event(), 0, 2000).dedupe_key);
    }

    #[test]
    fn an_event_that_was_sent_twice_has_the_same_key() {
        let sent = || event().with_event_id(EventId::new("e1"));
        assert_eq!(entry(sent(), 15, 1000).dedupe_key, entry(sent(), 16, 2000).dedupe_key);
    }

    #[test]
    fn another_event_with_the_same_identity_has_another_key() {
        let added = event().with_event_id(EventId::new("e1"));
        let removed = Event::new(ClaimRemoved { id: 7, role_id: 3 });
        let removed = removed.with_event_id(EventId::new("e1"));
        assert_ne!(entry(added, 15, 1000).dedupe_key, entry(removed, 15, 1000).dedupe_key);
    }

    #[test]
    fn the_new_value_is_the_data_as_it_stands() {
        let data = r#"{"roleId": 3, "id": 7, "reason": "a\u00f1o nuevo"}"#;
        let value = format!(r#"{{"eventType": "CLAIM_ADDED", "data": {data}}}"#);
        let raw = RawEvent { value: Some(value.into()), ..raw(0, 0) };
        let entry = AuditEntry::new(&event(), &raw, "Roles", String::new()).unwrap();
        assert_eq!(entry.new_value, data);
    }

    #[test]
    fn the_new_value_is_the_payload_where_the_record_has_no_data() {
        assert_eq!(entry(event(), 0, 0).new_value, r#"{"id":7,"roleId":3}"#);
    }

    #[test]
    fn an_identity_that_looks_like_a_position_is_not_taken_for_one() {
        let crafted = event().with_event_id(EventId::new("role_events/0@15 1000"));
        assert_ne!(entry(crafted, 1, 1).dedupe_key, entry(event(), 15, 1000).dedupe_key);
    }

    #[test]
    fn the_time_is_the_events_own_before_the_records() {
        let own: Timestamp = "2024-05-01T10:00:00Z".parse().unwrap();
        let says_when = event().with_occurred_at(own);
        assert_eq!(entry(says_when, 0, 1000).occurred_at, own);
        let milliseconds = 1_764_307_000_412;
        assert_eq!(entry(event(), 0, milliseconds).occurred_at.as_millisecond(), milliseconds);
        let microseconds = 1_764_307_000_412_345;
        assert_eq!(entry(event(), 0, microseconds).occurred_at.as_microsecond(), microseconds);
    }

    #[test]
    fn a_record_without_a_usable_timestamp_counts_as_now() {
        for timestamp_ms in [-1, i64::MIN, i64::MAX] {
            let age = Timestamp::now().duration_since(entry(event(), 0, timestamp_ms).occurred_at);
            assert!(age.as_secs() < 60, "{timestamp_ms}: {age:?}");
        }
    }
}
