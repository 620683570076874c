use event_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "RoleEvents", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[event_handler(topic = "role_events", event = "ROLE_GIVEN", emits(ClaimAdded))]
async fn on_role_given() {}

#[event_handler(topic = "role_events", event = *)]
async fn on_others(_event: Claim) {}

type Claim = Event<ClaimAdded>;

fn main() {}
