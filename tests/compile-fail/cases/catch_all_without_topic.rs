use event_core::prelude::*;

#[event_handler(event = *)]
async fn on_any(_record: RawEvent) {}

fn main() {}
