#[event_core::main]
fn main() {}
