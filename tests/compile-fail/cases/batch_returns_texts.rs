use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = _role_id)]
struct ClaimAdded {
    _role_id: i64,
}

#[event_handler]
async fn on_claims(_claims: Batch<ClaimAdded>) -> Vec<String> {
    unimplemented!()
}

fn main() {}
