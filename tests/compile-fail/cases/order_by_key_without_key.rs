use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {
    _role_id: i64,
}

#[event_handler(order = key)]
async fn on_claim_added(_event: Event<ClaimAdded>) {}

fn main() {}
