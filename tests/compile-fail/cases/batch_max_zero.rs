use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", batch(max = 0))]
async fn on_claims(_data: Vec<Json<i64>>) {}

fn main() {}
