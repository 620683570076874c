use event_core::prelude::*;

fn app() -> Result<EventApp> {
    Ok(EventApp::from_env("admin")?.layer("audit"))
}

fn main() {}
