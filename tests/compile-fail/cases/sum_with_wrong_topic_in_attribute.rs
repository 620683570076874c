use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
}

#[event_handler(topic = "claim_events")]
async fn on_claim(_event: Event<ClaimEvent>) {}

fn main() {}
