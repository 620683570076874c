use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(_data: Json<i64>) -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

fn main() {}
