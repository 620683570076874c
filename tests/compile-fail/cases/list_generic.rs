use event_core::prelude::*;

#[derive(Topics)]
enum Topics<const N: usize> {
    RoleEvents,
}

fn main() {}
