#[event_core::main]
struct Main;

fn main() {}
