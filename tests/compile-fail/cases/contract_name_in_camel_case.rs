use event_core::prelude::*;

#[derive(Event)]
#[event(topic = "role_events", name = "ClaimAdded")]
struct ClaimAdded {}

fn main() {}
