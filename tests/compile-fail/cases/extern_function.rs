use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
extern "C" fn on_claim_added() {}

fn main() {}
