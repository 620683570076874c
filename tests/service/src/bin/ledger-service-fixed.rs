//! `ledger-service` without its mistake.

use event_core::prelude::*;
use service_tests::ClaimAdded;

event_core::link_handlers!(except unlinked_handlers);

#[event_handler(id = "book_claim")]
async fn book_claim(event: Event<ClaimAdded>, position: Position, attempt: Attempt) {
    // Line by line, so that a test can follow a running service.
    println!("booked claim {} of {position}, attempt {}", event.id, attempt.number);
}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("ledger")?.version("1.0.1").main().await
}
