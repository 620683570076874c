use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {
    _role_id: i64,
}

#[event_handler(topic = "role_events", event = tombstone)]
async fn on_gone(_claims: Batch<ClaimAdded>) {}

fn main() {}
