use event_core::prelude::*;

#[derive(Clone)]
struct Pool;

#[derive(StateParts)]
struct Services {
    pool: Pool,
    #[state(skp)]
    name: String,
}

fn main() {}
