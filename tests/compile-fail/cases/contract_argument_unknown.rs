use event_core::prelude::*;

#[derive(Event)]
#[event(topic = "role_events", nmae = "CLAIM_ADDED")]
struct ClaimAdded {}

fn main() {}
