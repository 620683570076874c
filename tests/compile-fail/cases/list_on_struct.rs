use event_core::prelude::*;

#[derive(Topics)]
struct Topics;

fn main() {}
