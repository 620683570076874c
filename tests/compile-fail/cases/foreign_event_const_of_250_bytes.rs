use event_core::prelude::*;

const ORDERS: &str = "http://example.co/events/orders/created/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/1";

#[event_handler(topic = "orders.v1", event = ORDERS, foreign_names)]
async fn on_order_created(_data: Json<i64>) {}

fn main() {}
