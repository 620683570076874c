use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    Rôle,
}

fn main() {}
