use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {
    _role_id: i64,
}

#[event_handler]
async fn on_claims(#[cfg(all())] _claims: Batch<ClaimAdded>) {}

fn main() {}
