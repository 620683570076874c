use event_core::prelude::*;

#[event_handler(topic = "CLAIM_ADDED", event = "role_events")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
