use event_core::prelude::*;

#[derive(Event, serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_REMOVED")]
struct ClaimRemoved {}

type First = Event<ClaimAdded>;

#[event_handler]
async fn on_claim_added(_first: First, _second: Event<ClaimRemoved>) {}

#[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
async fn on_claim_removed(_first: Option<First>, _second: Event<ClaimRemoved>) {}

fn main() {}
