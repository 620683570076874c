use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", headers("tenant-id"))]
struct ClaimAdded {
    tenant_id: i64,
}

fn main() {}
