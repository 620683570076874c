use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    RoleEvents = 3,
}

fn main() {}
