#![deny(warnings)]

use event_core::prelude::*;

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
#[cfg(any())]
async fn above(_data: Json<NoSuchType>) {}

#[cfg(any())]
#[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
async fn below(_data: Json<NoSuchType>) {}

#[event_handler(topic = "role_events", event = "ROLE_RENAMED")]
async fn argument(#[cfg(any())] _data: Json<NoSuchType>, _position: Position) {}

fn main() {
    let registry = event_core::registry::Registry::linked();
    let names: Vec<_> = registry.handlers().iter().map(|handler| handler.name).collect();
    assert_eq!(names, ["argument"]);
}
