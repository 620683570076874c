use event_core::prelude::*;

#[derive(Event)]
#[event(name = "CLAIM_ADDED")]
struct ClaimAdded {}

fn main() {}
