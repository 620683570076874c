#![deny(warnings)]

use event_core::prelude::*;

macro_rules! handler {
    ($name:ident, $topic:expr, $event:literal, $ty:ty) => {
        #[event_handler(topic = $topic, event = $event)]
        async fn $name(_data: Json<$ty>) {}
    };
}

handler!(on_claim_added, "role_events", "CLAIM_ADDED", i64);

fn main() {
    #[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
    async fn on_claim_removed() -> Result {
        Ok(())
    }
    let registry = event_core::registry::Registry::linked();
    assert_eq!(registry.handlers().len(), 2);
}
