use event_core::prelude::*;

#[derive(Event, serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_CHANGED")]
enum ClaimChanged<'a> {
    Renamed { name: &'a str },
    Removed(&'a str),
}

fn main() {}
