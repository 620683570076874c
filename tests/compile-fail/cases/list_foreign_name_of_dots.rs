use event_core::prelude::*;

#[derive(Topics)]
enum Topics {
    #[topic(name = "..", foreign_names)]
    Parent,
}

fn main() {}
