#[event_core::main]
async fn main(_arguments: Vec<String>) {}
