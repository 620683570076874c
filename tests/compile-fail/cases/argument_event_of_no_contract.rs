use event_core::prelude::*;

#[derive(serde::Deserialize)]
struct ClaimAdded {}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(_event: Event<ClaimAdded>) {}

fn main() {}
