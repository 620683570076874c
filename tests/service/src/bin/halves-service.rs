//! A service whose two groups take different events of one topic.

use event_core::prelude::*;
use service_tests::ClaimAdded;

event_core::link_handlers!(except service_tests, except unlinked_handlers);

#[event_handler]
async fn on_claim_added(_: Event<ClaimAdded>) {}

#[event_handler(topic = "role_events", event = "ROLE_REMOVED", group = "audit")]
async fn on_role_removed(_: RawEvent) {}

const SAMPLES: &str = r#"
{"eventType": "CLAIM_ADDED", "data": {"id": 1, "roleId": 3}}
{"eventType": "ROLE_REMOVED", "topic": "role_events", "data": {"id": 3}}
"#;

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("halves")?.samples(SAMPLES).main().await
}
