use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", version = 2, upcasts(ClaimAdded))]
struct ClaimAdded {}

#[event_handler]
async fn added(_: Event<ClaimAdded>) {}

fn main() {}
