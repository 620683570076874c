use event_core::prelude::*;

struct OnClaimAdded;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
unsafe impl EventHandler for OnClaimAdded {
    async fn handle(&self, _data: Json<i64>) {}
}

fn main() {}
