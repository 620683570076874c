use event_core::prelude::*;

mod names {
    pub const CLAIM_ADDED: &str = "claimAdded";
}

#[event_handler(topic = "role_events", event = names::CLAIM_ADDED)]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
