//! A service that is as it should be.

use event_core::prelude::*;
use service_tests::{ClaimAdded, Seen};

event_core::link_handlers!(unlinked_handlers);

#[event_handler]
async fn record_claim(event: Event<ClaimAdded>, State(seen): State<Seen>) -> Result {
    seen.note(event.id);
    match event.id {
        13 => Err(Error::msg("an unlucky number").dead_letter()),
        _ => Ok(()),
    }
}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("sound")?.state(Seen::default()).main().await
}
