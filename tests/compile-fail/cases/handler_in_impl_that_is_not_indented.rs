use event_core::prelude::*;

struct OnClaimAdded;

impl OnClaimAdded {
#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn execute(_data: Json<i64>) {}
}

fn main() {}
