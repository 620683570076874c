use event_core::prelude::*;

const TOPIC: &str = "RoleEvents";

#[event_handler(topic = TOPIC, event = "CLAIM_ADDED", id = "on claim added")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
