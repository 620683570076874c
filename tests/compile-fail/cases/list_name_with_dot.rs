use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    #[topic(name = "orders.v1")]
    Orders,
}

fn main() {}
