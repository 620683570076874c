use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", dead_letter = "role_events")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
