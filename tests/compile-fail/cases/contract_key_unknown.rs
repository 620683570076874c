use event_core::prelude::*;

#[derive(Event)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = role_di)]
struct ClaimAdded {
    id: i64,
    role_id: i64,
}

fn main() {}
