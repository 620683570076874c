use event_core::prelude::*;

struct ClaimAdded;

#[event_handler]
async fn on_claims(_claims: Batch<ClaimAdded>) {}

fn main() {}
