use event_core::Delivery;
use event_core::middleware::Next;
use event_core::prelude::*;

fn app(limit: String) -> Result<EventApp> {
    Ok(EventApp::from_env("admin")?.layer(async move |delivery: &Delivery<'_>, next: Next<'_>| {
        println!("{limit}");
        next.run(delivery).await
    }))
}

fn main() {
    let _ = app;
}
