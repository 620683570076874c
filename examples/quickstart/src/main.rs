//! A whole service in one file.

use event_core::prelude::*;
use serde::Deserialize;

/// Somebody is to be greeted.
#[derive(Event, Deserialize)]
#[event(topic = "greeting_events", name = "GREETING_REQUESTED")]
struct GreetingRequested {
    name: String,
}

#[event_handler]
async fn greet(event: Event<GreetingRequested>) {
    println!("hello, {}", event.name);
}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("quickstart")?.samples(include_str!("samples.jsonl")).main().await
}
