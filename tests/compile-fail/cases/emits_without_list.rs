use event_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_GIVEN")]
struct RoleGiven {}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_TAKEN")]
struct RoleTaken {}

#[event_handler(emits)]
async fn on_role_given(_event: Event<RoleGiven>) -> Emit<ClaimAdded> {
    Emit(ClaimAdded {})
}

fn main() {}
