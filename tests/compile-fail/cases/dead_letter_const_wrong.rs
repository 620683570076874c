use event_core::prelude::*;

const DLQ: &str = "roleDlq";

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", dead_letter = DLQ)]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
