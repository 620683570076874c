use event_core::prelude::*;

#[derive(EventSum)]
enum ClaimEvent {}

fn main() {}
