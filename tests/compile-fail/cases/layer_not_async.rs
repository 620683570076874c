use event_core::Delivery;
use event_core::middleware::Next;
use event_core::prelude::*;

fn refuse(_delivery: &Delivery<'_>, _next: Next<'_>) -> Outcome {
    Outcome::Skipped
}

fn app() -> Result<EventApp> {
    Ok(EventApp::from_env("admin")?.layer_topic("role_events", refuse))
}

fn main() {
    let _ = app;
}
