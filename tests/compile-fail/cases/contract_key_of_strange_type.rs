use event_core::prelude::*;

#[derive(Event)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = ids)]
struct ClaimAdded {
    ids: Vec<i64>,
}

fn main() {}
