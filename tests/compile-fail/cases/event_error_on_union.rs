use event_core::prelude::*;

#[derive(EventError)]
union ClaimError {
    _a: i64,
}

fn main() {}
