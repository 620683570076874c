use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    SMS,
}

fn main() {}
