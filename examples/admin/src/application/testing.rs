//! What the tests of handlers give them: a record and a log in memory.

use event_core::delivery::Offset;
use event_core::event::{Headers, TopicName};
use event_core::prelude::*;

use crate::domain::AuditLog;
use crate::infrastructure::SqliteRepository;

/// A record without a value: the entry then shows the payload as it was decoded.
pub(super) fn raw(topic: &'static str, offset: i64) -> RawEvent {
    let topic = TopicName::from_static(topic);
    let offset = Offset(offset);
    let position = Position { topic, partition: 0, offset, timestamp_ms: 1_714_557_600_000 };
    let headers = Headers::new();
    RawEvent { position, event_type: None, key: None, value: None, headers }
}

pub(super) async fn log() -> AuditLog {
    AuditLog::open(SqliteRepository::in_memory().await.unwrap()).await.unwrap()
}
