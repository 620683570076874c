use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAddedV1 {}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", version = 2, upcasts(ClaimAddedV1))]
struct ClaimAdded {}

impl From<ClaimAddedV1> for ClaimAdded {
    fn from(_: ClaimAddedV1) -> Self {
        ClaimAdded {}
    }
}

#[event_handler]
async fn added(_: Event<ClaimAdded>) {}

fn main() {}
