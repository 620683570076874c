use event_core::prelude::*;

struct Recorder;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
impl EventHandler for Recorder {
    async fn handle(Json(_id): Json<i64>, _position: Position) {}
}

fn main() {}
