use event_core::prelude::*;

#[derive(EventSum)]
enum ClaimEvent<T> {
    Added(T),
}

fn main() {}
