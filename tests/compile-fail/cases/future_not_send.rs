use event_core::prelude::*;

use std::rc::Rc;

async fn store(_: &i64) {}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(data: Json<i64>) {
    let shared = Rc::new(data.0);
    store(&shared).await;
}

fn main() {}
