use event_core::prelude::*;

const ROLE_EVENTS: &str = "role_events";

#[derive(Topics)]
enum Topics {
    #[topic(name = ROLE_EVENTS)]
    Roles,
}

fn main() {}
