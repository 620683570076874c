use event_core::prelude::*;

const TOPIC: &str = "role_events";
const EVENT: &str = "CLAIM_ADDED";

#[event_handler(topic = EVENT, event = TOPIC, id = "on claim added")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
