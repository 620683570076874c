use event_core::prelude::*;
use serde::Serialize;

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", headers(tenant, tenant = "x-tenant"))]
struct ClaimAdded {
    tenant: i64,
}

fn main() {}
