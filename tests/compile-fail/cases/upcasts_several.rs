use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAddedV1 {}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", version = 2)]
struct ClaimAddedV2 {}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", version = 3, upcasts(ClaimAddedV2, ClaimAddedV1))]
struct ClaimAdded {}

impl From<ClaimAddedV2> for ClaimAdded {
    fn from(_: ClaimAddedV2) -> Self {
        ClaimAdded {}
    }
}

fn main() {}
