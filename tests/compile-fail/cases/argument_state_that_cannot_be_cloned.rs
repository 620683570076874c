use event_core::prelude::*;

struct AuditLog;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(_log: State<AuditLog>) {}

fn main() {}
