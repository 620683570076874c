use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    RoleEvents,
}

#[event_handler(topic = Topics::RoleEvnts, event = "CLAIM_ADDED", id = "on claim added")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
