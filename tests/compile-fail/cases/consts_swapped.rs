use event_core::prelude::*;

const ROLE_EVENTS: &str = "role_events";
const CLAIM_ADDED: &str = "CLAIM_ADDED";

#[event_handler(topic = CLAIM_ADDED, event = ROLE_EVENTS)]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
