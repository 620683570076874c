use event_core::prelude::*;

#[derive(Debug, EventError)]
enum ClaimError {
    #[event_error(skip)]
    Unknown,
}

fn main() {}
