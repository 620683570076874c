use event_core::prelude::*;

#[derive(Event)]
#[event(topic = "role_events", name = "CLAIM_CHANGED", key = id)]
enum ClaimChanged {
    Added { id: i64 },
}

fn main() {}
