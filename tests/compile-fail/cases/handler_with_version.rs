use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", version = 2)]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
