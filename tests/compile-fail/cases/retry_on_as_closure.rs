use event_core::prelude::*;

fn is_transient(_error: &Error) -> bool {
    true
}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", retry(on = |_| true))]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
