//! A service with several mistakes, to see that all of them are reported at once.

use event_core::prelude::*;
use service_tests::{ClaimAdded, Seen};

#[event_handler]
async fn first(event: Event<ClaimAdded>) {
    let _ = event;
}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn second(Json(_claim): Json<serde_json::Value>) {}

#[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
async fn needs_a_state(State(_seen): State<Seen>) {}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("broken")?.main().await
}
