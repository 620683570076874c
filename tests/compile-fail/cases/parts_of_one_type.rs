use event_core::prelude::*;

#[derive(Clone)]
struct Pool;

#[derive(StateParts)]
struct Services {
    reads: Pool,
    writes: Pool,
}

fn main() {}
