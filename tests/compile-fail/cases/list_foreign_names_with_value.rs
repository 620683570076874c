use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    #[topic(name = "orders.v1", foreign_names = true)]
    Orders,
}

fn main() {}
