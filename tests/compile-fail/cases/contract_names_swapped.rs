use event_core::prelude::*;

#[derive(Event)]
#[event(topic = "CLAIM_ADDED", name = "role_events")]
struct ClaimAdded {}

fn main() {}
