use event_core::prelude::*;

#[derive(Clone)]
struct Pool;

type Replica = Pool;

#[derive(StateParts)]
struct Services {
    reads: Replica,
    writes: Pool,
    name: String,
    version: std::string::String,
}

fn main() {}
