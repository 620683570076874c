use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {
    _role_id: i64,
}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_REMOVED", key = role_id)]
struct ClaimRemoved {
    role_id: i64,
}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
    Removed(ClaimRemoved),
}

#[event_handler(order = key, concurrency = 8)]
async fn on_claim(_event: Event<ClaimEvent>) {}

fn main() {}
