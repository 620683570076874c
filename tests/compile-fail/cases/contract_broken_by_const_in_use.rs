use event_core::prelude::*;

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(topic = ROLE_EVENTS, name = "CLAIM_ADDED")]
struct ClaimAdded {
    id: i64,
}

const ROLE_EVENTS: &str = "RoleEvents";

#[event_handler]
async fn bare(event: Event<ClaimAdded>) {
    let _ = event;
}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn named(event: Event<ClaimAdded>) {
    let _ = event.id;
}

fn main() {}
