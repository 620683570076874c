use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimMade {}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
    Made(ClaimMade),
}

fn main() {}
