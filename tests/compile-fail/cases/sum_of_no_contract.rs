use event_core::prelude::*;

struct ClaimAdded {}

#[derive(EventSum)]
enum ClaimEvent {
    Added(ClaimAdded),
}

fn main() {}
