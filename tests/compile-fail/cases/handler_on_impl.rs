use event_core::prelude::*;

struct OnClaimAdded;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
impl OnClaimAdded {
    #[allow(dead_code)]
    async fn execute(&self, _data: Json<i64>) {}
}

fn main() {}
