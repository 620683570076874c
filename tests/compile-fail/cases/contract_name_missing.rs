use event_core::prelude::*;

#[derive(Event)]
#[event(topic = "role_events")]
struct ClaimAdded {}

fn main() {}
