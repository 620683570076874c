use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = key_of())]
struct ClaimAdded {
    id: i64,
}

impl ClaimAdded {
    fn key_of(&self) -> i64 {
        self.id
    }
}

fn main() {}
