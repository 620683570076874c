//! What the watch reports to health.

use super::*;
use crate::event::GroupName;
use crate::observe::{HealthProblem, HealthRules};
use crate::prelude::*;
use crate::testing::TestApp;

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(topic = "watched_events", name = "WAITED")]
struct Waited {
    id: u64,
}

/// Lets go of one record when there is a permit.
#[event_handler(id = "wait")]
async fn wait(_: Event<Waited>, State(done): State<Arc<tokio::sync::Semaphore>>) {
    if let Ok(permit) = done.acquire().await {
        permit.forget();
    }
}

// With the real clock, which the thread that looks goes by.
#[tokio::test]
async fn a_record_long_in_flight_is_reported_until_its_handler_ends() {
    let done = Arc::new(tokio::sync::Semaphore::new(0));
    let app = TestApp::new("watching").handlers_from(module_path!()).state(Arc::clone(&done));
    let app = app.start().unwrap();
    let liveness_after = Duration::from_millis(20);
    let rules = HealthRules { liveness_after, ..HealthRules::default() };
    app.health().watch(&GroupName::parse("watching").unwrap(), rules);
    let long = || {
        let problems = app.health().problems().into_iter();
        let long = problems.filter(|one| matches!(one, HealthProblem::InFlightLong { .. }));
        long.map(|one| one.to_string()).collect::<Vec<_>>()
    };
    for id in 0..2 {
        app.publish(&Waited { id }).await;
        app.eventually("it is reported", || !long().is_empty()).await;
        let expected = format!("`wait` has had watched_events/0@{id} in flight for ");
        assert!(long()[0].starts_with(&expected), "{:?}", long());
        let slow = || app.history().all().into_iter().filter(|one| one.what == "handler-slow");
        app.eventually("the log reports it", || slow().count() > usize::try_from(id).unwrap())
            .await;
        done.add_permits(1);
        app.eventually("it is no longer reported", || long().is_empty()).await;
    }
}
