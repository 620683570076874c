use event_core::prelude::*;

#[derive(Event, serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {
    id: i64,
}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(_event: Event<ClaimAdded>, _data: Json<i64>) {}

fn main() {}
