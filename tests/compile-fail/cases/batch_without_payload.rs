use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", batch(max = 500))]
async fn on_claims() {}

fn main() {}
