use event_core::prelude::*;

const TOPIC: &str = "role.events";

#[event_handler(topic = TOPIC, event = "CLAIM_ADDED")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
