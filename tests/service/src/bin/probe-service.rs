//! A service whose one event takes part in all tests of bad input.

use event_core::EventProducer;
use event_core::prelude::*;
use serde::{Deserialize, Serialize};
use service_tests::Seen;

event_core::link_handlers!(except unlinked_handlers);

/// Something was probed.
#[derive(Event, Serialize, Deserialize)]
#[event(topic = "probe_events", name = "PROBED")]
struct Probed {
    id: u64,
    #[serde(default)]
    amount: f64,
    #[serde(default)]
    note: String,
}

#[event_handler]
async fn probed(event: Event<Probed>, State(seen): State<Seen>, _: State<EventProducer>) {
    let _ = (event.amount, &event.note);
    seen.note(event.id);
}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("probe")?
        .state_with(|| async { Ok::<_, Error>(Seen::default()) })
        .main()
        .await
}
