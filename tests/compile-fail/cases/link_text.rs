event_core::link_handlers!("billing");

fn main() {}
