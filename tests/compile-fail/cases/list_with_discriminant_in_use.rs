use event_core::prelude::*;

#[derive(Events)]
enum Events {
    ClaimAdded = 3,
    ClaimRemoved,
}

#[event_handler(topic = "role_events", event = Events::ClaimRemoved)]
async fn on_claim_removed(_data: Json<i64>) {}

fn main() {}
