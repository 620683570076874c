use event_core::prelude::*;

#[derive(Event)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[event_handler]
async fn on_claim_added(_event: Event<ClaimAdded>) {}

fn main() {}
