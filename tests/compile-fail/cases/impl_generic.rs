use event_core::prelude::*;

struct Recorder<T>(T);

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
impl<T> EventHandler for Recorder<T> {
    async fn handle(&self) {}
}

fn main() {}
