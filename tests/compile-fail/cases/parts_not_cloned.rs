use event_core::prelude::*;

struct Pool;

#[derive(StateParts)]
struct Services {
    pool: Pool,
}

fn main() {}
