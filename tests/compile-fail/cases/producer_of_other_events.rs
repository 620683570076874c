use event_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_GIVEN")]
struct RoleGiven {}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_TAKEN")]
struct RoleTaken {}

#[event_handler]
async fn on_claim_added(
    _event: Event<ClaimAdded>,
    producer: Producer<(ClaimAdded, RoleGiven)>,
) -> Result {
    producer.send(&RoleTaken {}).await?;
    Ok(())
}

fn main() {}
