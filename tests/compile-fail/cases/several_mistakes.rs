use event_core::prelude::*;

#[event_handler(topic = "RoleEvents", event = "claimAdded", colour = "red")]
fn on_claim_added<T>(_data: &str, _more: Json<T>) {}

fn main() {}
