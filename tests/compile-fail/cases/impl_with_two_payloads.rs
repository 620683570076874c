use event_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_GIVEN")]
struct RoleGiven {}

struct Recorder;

#[event_handler]
impl EventHandler for Recorder {
    async fn handle(&self, _claim: Event<ClaimAdded>, _role: Event<RoleGiven>) {}
}

fn main() {}
