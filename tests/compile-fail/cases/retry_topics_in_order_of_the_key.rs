use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", order = key, retry(topics = ["1m", "10m"]))]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
