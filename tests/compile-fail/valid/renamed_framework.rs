#![deny(warnings)]

mod events {
    pub use event_core as framework;
}

use events::framework::extract::{Event, Json};
use serde::Deserialize;

#[derive(events::framework::Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", crate = crate::events::framework)]
struct ClaimAdded {}

#[derive(events::framework::Topics)]
#[topic(crate = events::framework)]
enum Topics {
    RoleEvents,
}

#[events::framework::event_handler(crate = events::framework)]
async fn on_claim_added(_event: Event<ClaimAdded>) {}

#[events::framework::event_handler(
    topic = Topics::RoleEvents,
    event = "CLAIM_REMOVED",
    crate = events::framework,
)]
async fn on_claim_removed(_data: Json<i64>) {}

#[events::framework::main(crate = events::framework)]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}
