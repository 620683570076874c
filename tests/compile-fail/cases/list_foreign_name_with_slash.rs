use event_core::prelude::*;

#[derive(Topics)]
#[topic(foreign_names)]
enum Topics {
    #[topic(name = "orders/v1")]
    Orders,
}

fn main() {}
