use event_core::prelude::*;

#[derive(Clone)]
struct AuditLog;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(_log: &AuditLog) {}

fn main() {}
