use event_core::prelude::*;

#[derive(Events)]
enum Events {
    ClaimAdded,
}

#[event_handler(topic = Events::ClaimAdded, event = "CLAIM_ADDED")]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
