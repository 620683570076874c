use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAddedV1 {}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", version = 2, upcasts(ClaimAddedV1))]
struct ClaimAdded {}

#[event_handler]
async fn added(_: Event<ClaimAdded>) {}

fn main() {}
