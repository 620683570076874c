use event_core::prelude::*;

#[derive(StateParts)]
struct Services;

fn main() {}
