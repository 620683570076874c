use event_core::prelude::*;

struct Metrics;

fn app() -> Result<EventApp> {
    Ok(EventApp::from_env("admin")?.layer_handler("record_claim", Metrics))
}

fn main() {
    let _ = app;
}
