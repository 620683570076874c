use event_core::prelude::*;

#[derive(Events)]
enum Events {
    #[event(name = "order\tcreated", foreign_names)]
    OrderCreated,
}

fn main() {}
