use event_core::prelude::*;

#[derive(Clone)]
struct Pool;

#[derive(StateParts)]
struct Services(Pool, Pool);

fn main() {}
