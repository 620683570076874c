use event_core::prelude::*;

const ORDERS: &str = "orders/v1";

#[event_handler(topic = ORDERS, event = "order created", foreign_names)]
async fn on_order_created(_data: Json<i64>) {}

fn main() {}
