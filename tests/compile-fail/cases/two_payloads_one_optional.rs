use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[event_handler]
async fn on_claim_added(_event: Option<Event<ClaimAdded>>, _data: Json<i64>) {}

fn main() {}
