use event_core::prelude::*;
use serde::Serialize;

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", headers(tenant = "dlq.id", traceparent))]
struct ClaimAdded {
    tenant: i64,
    traceparent: String,
}

fn main() {}
