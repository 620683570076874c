use event_core::prelude::*;

#[derive(StateParts)]
struct Services<T> {
    pool: T,
}

fn main() {}
