use event_core::prelude::*;

fn is_transient(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::TimedOut
}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", retry(on = is_transient))]
async fn on_claim_added(_data: Json<i64>) {}

fn main() {}
