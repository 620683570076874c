use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    RoleEvents(i64),
}

fn main() {}
