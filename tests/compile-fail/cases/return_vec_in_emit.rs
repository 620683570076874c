use event_core::prelude::*;
use serde::Serialize;

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "ROLE_GIVEN")]
struct RoleGiven {}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(_data: Json<i64>) -> Emit<Vec<RoleGiven>> {
    todo!()
}

fn main() {}
