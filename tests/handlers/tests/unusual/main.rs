//! Programs that are valid but unusual: each must compile without a warning, run and handle.
//!
//! Each is a module with handlers of its own and one test.

#![deny(warnings)]
#![expect(clippy::unwrap_used, reason = "a test")]

mod arguments;
mod contracts;
mod emitting;
mod forms;
mod hygiene;
mod lints;
mod names;
mod placement;
mod returns;
mod selections;
mod states;
mod values;

use std::sync::{Arc, Mutex};

use event_core::testing::{RunningApp, TestApp};

/// What the handlers of a program note down.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: impl std::fmt::Display) {
        self.0.lock().unwrap().push(what.to_string());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A service with the handlers of `module`.
fn app(module: &str, seen: &Seen) -> TestApp {
    TestApp::new("unusual").handlers_from(module).state(seen.clone())
}

/// Starts `app` and has `values` settled, records of `topic` in this order.
async fn settled(app: TestApp, topic: &str, values: &[&str]) -> RunningApp {
    let app = app.start().unwrap();
    for value in values {
        app.publish_raw(topic, None, Some(value.as_bytes())).await;
    }
    app.settle().await;
    app
}

/// What the handlers of `module` note of `values`, none of which may fail.
async fn noted(module: &str, topic: &str, values: &[&str]) -> Vec<String> {
    let seen = Seen::default();
    let app = settled(app(module, &seen), topic, values).await;
    let dead: Vec<_> = app.dead_letters(topic).iter().map(|r| r.headers.clone()).collect();
    assert!(dead.is_empty(), "{dead:?}");
    seen.all()
}

const ADDED: &str = r#"{"eventType":"CLAIM_ADDED","userId":42,"data":{"id":7,"roleId":3}}"#;
const REMOVED: &str = r#"{"eventType":"CLAIM_REMOVED","userId":"x","data":{"id":8,"roleId":3}}"#;
