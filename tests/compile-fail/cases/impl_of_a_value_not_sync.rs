use event_core::prelude::*;

struct Recorder(std::cell::Cell<i64>);

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
impl EventHandler for Recorder {
    async fn handle(&self) {
        self.0.set(1);
    }
}

fn main() {}
