//! A service with a mistake: it does not know that roles may have the number 4. `ledger-service-fixed`
//! is the same one later.

use event_core::prelude::*;
use service_tests::ClaimAdded;

event_core::link_handlers!(except unlinked_handlers);

#[event_handler(id = "book_claim")]
async fn book_claim(event: Event<ClaimAdded>) -> Result {
    match event.role_id {
        4 => Err(Error::msg("no account for role 4")),
        _ => Ok(()),
    }
}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("ledger")?.version("1.0.0").main().await
}
