use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "orders.v1", name = "order.created", foreign_nams)]
struct OrderCreated {}

fn main() {}
