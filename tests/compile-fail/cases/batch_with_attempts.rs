use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", batch(attempts = 3))]
async fn on_claims_added(_data: Vec<Json<i64>>) {}

fn main() {}
