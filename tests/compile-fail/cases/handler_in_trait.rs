use event_core::prelude::*;

trait OnClaimAdded {
    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn on_claim_added(_data: Json<i64>) {}
}

fn main() {}
