//! A service whose handlers keep each other busy: what one sends another handles.

use event_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "step_events", name = "STEP_TAKEN")]
struct StepTaken {
    left: u32,
}

#[event_handler]
async fn step(event: Event<StepTaken>) -> Option<Emit<StepTaken>> {
    Some(Emit(StepTaken { left: event.left.checked_sub(1)? }))
}

event_core::link_handlers!(except service_tests, except unlinked_handlers);

const SAMPLES: &str = r#"
{"eventType": "STEP_TAKEN", "data": {"left": 3}}
"#;

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("chain")?.samples(SAMPLES).main().await
}
