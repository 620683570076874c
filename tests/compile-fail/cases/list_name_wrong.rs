use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    #[topic(name = "RoleEvents")]
    RoleEvents,
}

fn main() {}
