//! A service whose states are nearly what its handlers ask for.

use std::sync::{Arc, RwLock};

use event_core::prelude::*;
use service_tests::Seen;

event_core::link_handlers!(except unlinked_handlers, except service_tests);

#[derive(Clone)]
struct Pool;

mod db {
    #[derive(Clone)]
    pub(crate) struct Pool;

    #[derive(Clone, Default)]
    pub(crate) struct Cache;
}

#[event_handler(topic = "role_events", event = "ROLE_ADDED")]
async fn wrapped(State(_seen): State<Arc<Seen>>) {}

#[event_handler(topic = "role_events", event = "ROLE_REMOVED")]
async fn bare(State(_cache): State<db::Cache>) {}

#[event_handler(topic = "role_events", event = "ROLE_RENAMED")]
async fn of_another_module(State(_pool): State<db::Pool>) {}

#[event_handler(topic = "role_events", event = "ROLE_SHOWN")]
async fn of_no_kin(State(_text): State<String>) {}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("nearly")?
        .state(Seen::default())
        .state_with(|| async { Ok::<_, Error>(Arc::new(RwLock::new(db::Cache))) })
        .state(Pool)
        .main()
        .await
}
