use event_core::prelude::*;

struct Recorder;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", blocking)]
impl EventHandler for Recorder {
    fn handle(&self) {}
}

fn main() {}
