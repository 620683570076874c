use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

struct ClaimRemoved {}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
    Removed(Box<ClaimRemoved>),
}

fn main() {}
