use event_core::prelude::*;

#[derive(Topics)]
#[topic("role_events")]
enum Topics {
    RoleEvents,
}

fn main() {}
