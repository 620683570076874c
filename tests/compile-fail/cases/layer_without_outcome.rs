use event_core::Delivery;
use event_core::middleware::Next;
use event_core::prelude::*;

async fn count(delivery: &Delivery<'_>, next: Next<'_>) {
    next.run(delivery).await;
}

fn app() -> Result<EventApp> {
    Ok(EventApp::from_env("admin")?.layer(count))
}

fn main() {
    let _ = app;
}
