#![deny(warnings)]

use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(
    #[cfg(unix)] data: Json<i64>,
    #[cfg(not(unix))] data: Json<i32>,
    position: Position,
) {
    let _ = (data.0, position);
}

fn main() {}
