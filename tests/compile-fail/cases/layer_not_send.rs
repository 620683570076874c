use event_core::Delivery;
use event_core::middleware::Next;
use event_core::prelude::*;

async fn count(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    let counter = std::rc::Rc::new(1);
    let outcome = next.run(delivery).await;
    drop(counter);
    outcome
}

fn app() -> Result<EventApp> {
    Ok(EventApp::from_env("admin")?.layer(count))
}

fn main() {
    let _ = app;
}
