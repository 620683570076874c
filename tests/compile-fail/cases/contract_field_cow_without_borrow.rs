use event_core::prelude::*;

#[derive(Event, serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded<'a> {
    name: std::borrow::Cow<'a, str>,
}

fn main() {}
