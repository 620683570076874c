use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
#[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
fn on_claim_changed(_data: Json<i64>) {}

fn main() {}
