use event_core::prelude::*;

#[derive(Topics)]
enum Topics {}

fn main() {}
