use event_core::prelude::*;

unsafe extern "C" {
    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    fn on_claim_added();
}

fn main() {}
