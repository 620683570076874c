//! A service without any handler.

use event_core::prelude::*;

event_core::link_handlers!(except unlinked_handlers, except service_tests);

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("empty")?.main().await
}
