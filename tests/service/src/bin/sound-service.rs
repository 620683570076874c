//! A service that is as it should be.

use event_core::prelude::*;
use service_tests::{ClaimAdded, Seen};

event_core::link_handlers!(unlinked_handlers);

#[event_handler]
async fn record_claim(event: Event<ClaimAdded>, State(seen): State<Seen>) -> Result {
    seen.note(event.id);
    // Line by line, so that a test can follow a running service.
    println!("claim {} of role {} by {:?}", event.id, event.role_id, event.user_id());
    match event.id {
        13 => Err(Error::msg("an unlucky number").dead_letter()),
        // Never ends, for the tests of a shutdown.
        17 => std::future::pending().await,
        // Never lets go of its thread, which nothing can take from it.
        18 => loop {
            std::thread::park();
        },
        _ => Ok(()),
    }
}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("sound")?.state(Seen::default()).main().await
}
