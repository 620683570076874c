use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

struct RoleGiven;

#[event_handler(id = "on claim added", emits(RoleGiven))]
async fn on_claim_added(_event: Event<ClaimAdded>) {}

fn main() {}
