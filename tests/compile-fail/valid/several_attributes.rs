#![deny(warnings)]

use event_core::prelude::*;

/// Both of these.
#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
#[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
#[cfg_attr(all(), allow(unused_variables))]
async fn on_claim_changed(data: Json<i64>) {}

fn main() {
    let registry = event_core::registry::Registry::linked();
    let events: Vec<_> = registry.handlers().iter().map(|handler| handler.selects.to_string()).collect();
    assert_eq!(events, ["CLAIM_ADDED", "CLAIM_REMOVED"]);
}
