use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {
    _role_id: i64,
}

struct Recorder;

#[event_handler(batch(max = 5))]
impl EventHandler for Recorder {
    async fn handle(&self, _claim: Event<ClaimAdded>) {}
}

fn main() {}
