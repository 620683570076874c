use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", batch(wait = 50))]
async fn on_claims(_data: Vec<Json<i64>>) {}

fn main() {}
