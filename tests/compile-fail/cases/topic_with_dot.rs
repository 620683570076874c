use event_core::prelude::*;

#[event_handler(topic = "role.events", event = "CLAIM_ADDED")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
