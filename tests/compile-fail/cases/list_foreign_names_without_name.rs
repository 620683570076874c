use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    #[topic(foreign_names)]
    RoleEvents,
}

fn main() {}
