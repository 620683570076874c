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

#[derive(EventSum)]
enum RoleEvent {
    Granted(RoleGiven),
    Taken(RoleTaken),
}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
    Role(RoleEvent),
}

fn main() {}
