use event_core::middleware::Next;
use event_core::prelude::*;

async fn count(next: Next<'_>) -> Outcome {
    let _ = next;
    Outcome::Handled
}

fn app() -> Result<EventApp> {
    Ok(EventApp::from_env("admin")?.layer(count))
}

fn main() {
    let _ = app;
}
