use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added<T>(_data: Json<T>) {}

fn main() {}
