use event_core::prelude::*;

const ROLE_EVENTS: u32 = 7;

#[event_handler(topic = ROLE_EVENTS, event = "CLAIM_ADDED")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
