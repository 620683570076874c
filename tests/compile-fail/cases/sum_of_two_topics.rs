use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, Deserialize)]
#[event(topic = "claim_events", name = "CLAIM_REMOVED")]
struct ClaimRemoved {}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
    Removed(ClaimRemoved),
}

fn main() {}
