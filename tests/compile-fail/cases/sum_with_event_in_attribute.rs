use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
    Removed(ClaimRemoved),
}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_REMOVED")]
struct ClaimRemoved {}

#[event_handler(event = "CLAIM_ADDED")]
async fn on_claim(_event: Event<ClaimEvent>) {}

fn main() {}
