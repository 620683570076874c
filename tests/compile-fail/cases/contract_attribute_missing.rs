use event_core::prelude::*;

#[derive(Event)]
struct ClaimAdded {}

fn main() {}
