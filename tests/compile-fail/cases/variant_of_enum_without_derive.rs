use event_core::prelude::*;

enum Topics {
    RoleEvents,
}

#[event_handler(topic = Topics::RoleEvents, event = "CLAIM_ADDED")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
