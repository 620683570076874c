use event_core::prelude::*;

#[event_handler(topic = "role_events", event = tombstone)]
async fn on_gone(_data: Json<i64>) {}

fn main() {}
