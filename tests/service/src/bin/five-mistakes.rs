//! A service with five mistakes of five kinds.

use event_core::middleware;
use event_core::prelude::*;
use service_tests::{ClaimAdded, Seen};

#[event_handler(id = "audit")]
async fn claim_added(event: Event<ClaimAdded>) {
    let _ = event;
}

#[event_handler(topic = "role_events", event = "CLAIM_REMOVED", id = "audit")]
async fn claim_removed(State(_seen): State<Seen>) {}

#[event_handler(topic = "mail_events", event = *, dead_letter = "lost_mails")]
async fn others() {}

#[event_handler(topic = "lost_mails", event = "MAIL_LOST", dead_letter = "mail_events")]
async fn lost() {}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("five")?.layer_topic("user_events", middleware::trace).main().await
}
