use event_core::prelude::*;
use std::sync::Arc;

struct Recorder;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
impl EventHandler for Arc<Recorder> {
    async fn handle(&self, _data: Json<i64>) {}
}

fn main() {}
