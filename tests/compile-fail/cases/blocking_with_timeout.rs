use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", blocking, timeout = "10s")]
fn on_claim_added() {}

fn main() {}
