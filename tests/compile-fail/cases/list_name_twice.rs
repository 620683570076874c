use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    RoleEvents,
    #[topic(name = "role_events")]
    Roles,
}

fn main() {}
