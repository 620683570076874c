use event_core::prelude::*;

#[derive(Topics)]
enum Topics<T> {
    RoleEvents(T),
}

fn main() {}
