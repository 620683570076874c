//! What the tests of handlers give them: a record's place and a log in memory.

use event_core::delivery::Offset;
use event_core::event::TopicName;
use event_core::prelude::*;

use crate::domain::AuditLog;
use crate::infrastructure::SqliteRepository;

pub(super) fn at(topic: &'static str, offset: i64) -> Position {
    let topic = TopicName::from_static(topic);
    Position { topic, partition: 0, offset: Offset(offset), timestamp_ms: 1_714_557_600_000 }
}

pub(super) async fn log() -> AuditLog {
    AuditLog::open(SqliteRepository::in_memory().await.unwrap()).await.unwrap()
}
