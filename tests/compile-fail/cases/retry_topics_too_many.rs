use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", order = none, retry(topics = ["1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s", "9s"]))]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
