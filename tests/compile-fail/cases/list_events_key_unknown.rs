use event_core::prelude::*;

#[derive(Events)]
enum Events {
    #[event(nam = "CLAIM_ADDED")]
    ClaimAdded,
}

fn main() {}
