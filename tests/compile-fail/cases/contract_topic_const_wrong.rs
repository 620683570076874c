use event_core::prelude::*;

#[derive(Event)]
#[event(topic = ROLE_EVENTS, name = "CLAIM_ADDED")]
struct ClaimAdded {}

const ROLE_EVENTS: &str = "RoleEvents";

fn main() {}
