use event_core::prelude::*;

struct Recorder;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
impl EventHandler for Recorder {
    async fn execute(&self) {}
}

fn main() {}
