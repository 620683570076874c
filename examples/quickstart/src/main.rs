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

#[cfg(test)]
mod tests {
    use event_core::testing::TestApp;

    #[tokio::test(start_paused = true)]
    async fn an_event_without_a_name_is_a_dead_letter() {
        let app = TestApp::new("quickstart").start().unwrap();
        for data in [r#"{"name": "world"}"#, "{}"] {
            let value = format!(r#"{{"eventType": "GREETING_REQUESTED", "data": {data}}}"#);
            app.publish_raw("greeting_events", None, Some(value.as_bytes())).await;
        }
        app.settle().await;
        assert_eq!(app.history().handled("GREETING_REQUESTED").len(), 1);
        assert_eq!(app.dead_letters("greeting_events").len(), 1);
    }
}
