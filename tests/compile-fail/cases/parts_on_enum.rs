use event_core::prelude::*;

#[derive(StateParts)]
enum Services {
    One,
}

fn main() {}
