#![deny(warnings)]
#![forbid(unsafe_code)]

use std::borrow::Cow;

use event_core::prelude::*;
use serde::{Deserialize, Serialize};

/// A claim was attached to a role.
#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = role_id)]
struct ClaimAdded<'a> {
    id: i64,
    role_id: i64,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Clone)]
struct AuditLog(&'static str);

impl AuditLog {
    async fn append(&self, _id: i64, _name: &str) -> std::io::Result<()> {
        Ok(())
    }
}

#[event_handler]
async fn elided(event: Event<ClaimAdded<'_>>, State(log): State<AuditLog>) -> Result {
    log.append(event.id, &event.name).await?;
    Ok(())
}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn named<'a>(event: Event<ClaimAdded<'a>>, position: Position) -> Result<(), std::io::Error> {
    let _ = position;
    AuditLog("log").append(event.id, &event.name).await
}

#[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
async fn untyped(Json(text): Json<Cow<'_, str>>, State(name): State<&'static str>, _raw: RawEvent) {
    let _ = (text.len(), name, AuditLog(name).0);
}

#[event_core::main]
async fn main() -> Result {
    Ok(())
}
