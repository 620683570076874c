use event_core::prelude::*;

#[event_handler(topic = "orders/v1", event = "order created", foreign_names)]
async fn on_order_created(_data: Json<i64>) {}

fn main() {}
