use event_core::prelude::*;

struct Recorder;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
#[event_handler(topic = "role_events")]
impl EventHandler for Recorder {
    async fn handle(&self, _data: Json<i64>) {}
}

fn main() {}
