use event_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_GIVEN")]
struct RoleGiven {}

#[event_handler(emits(RoleGiven, RoleGiven))]
async fn on_claim_added(_event: Event<ClaimAdded>) -> Emit<RoleGiven> {
    Emit(RoleGiven {})
}

fn main() {}
