use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
pub struct OnClaimAdded;

fn main() {}
