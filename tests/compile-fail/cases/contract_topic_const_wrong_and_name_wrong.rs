use event_core::prelude::*;
use serde::Deserialize;

const TOPIC: &str = "RoleEvents";

#[derive(Event, Deserialize)]
#[event(topic = TOPIC, name = "claimAdded")]
struct ClaimAdded {}

fn main() {}
