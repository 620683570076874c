#[event_core::main(crte = event_core)]
async fn main() {}
