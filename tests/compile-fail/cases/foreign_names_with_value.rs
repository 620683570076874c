use event_core::prelude::*;

#[event_handler(topic = "orders.v1", event = "created", foreign_names = true)]
async fn on_created(_data: Json<i64>) {}

fn main() {}
