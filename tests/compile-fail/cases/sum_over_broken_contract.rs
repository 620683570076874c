use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "RoleEvents", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_REMOVED")]
struct ClaimRemoved {}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
    Removed(ClaimRemoved),
}

#[event_handler]
async fn on_claim(_event: Event<ClaimEvent>) {}

fn main() {}
