use event_core::prelude::*;

struct NotAnError;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
async fn on_claim_added(_data: Json<i64>) -> Result<(), NotAnError> {
    Err(NotAnError)
}

fn main() {}
