use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", blocking)]
fn on_claim_added(_key: Key<&str>) {}

fn main() {}
