//! What a handler's attribute asks of the engine, on the memory broker with the clock paused.

#![expect(clippy::unwrap_used, reason = "a test")]

mod batches;
mod blocked_threads;
mod blocking;
mod failures;
mod forged;
mod groups;
mod made_topics;
mod order;
mod other_log;
mod positions;
mod retry_topics;
mod shut;
mod stopping;
mod two_apps;
mod unclear;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_core::broker::OutgoingRecord;
use event_core::event::{Headers, TopicName};
use event_core::prelude::*;
use event_core::processor::retry_header;
use event_core::testing::{RunningApp, TestApp};
use service_tests::ClaimAdded;
use tokio::time::Instant;

const CLAIMS: &str = "role_events";

/// What handlers did: when, and with which claim.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Instant, u64)>>>);

impl Log {
    fn note(&self, id: u64) {
        self.0.lock().unwrap().push((Instant::now(), id));
    }

    fn ids(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(_, id)| *id).collect()
    }

    fn count(&self, id: u64) -> usize {
        self.ids().iter().filter(|other| **other == id).count()
    }

    fn times(&self) -> Vec<Instant> {
        self.0.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

fn service(module: &str) -> TestApp {
    TestApp::new("admin").handlers_from(module)
}

/// Claim number `id` of a role, which is its key.
/// A record of [`CLAIMS`] as a redrive brings it back.
fn redriven(
    group: &str,
    handler: &str,
    offset: &str,
    attempts: &str,
    value: &str,
) -> OutgoingRecord {
    let mut headers = Headers::new();
    for (name, value) in [
        (retry_header::TOPIC, CLAIMS),
        (retry_header::PARTITION, "0"),
        (retry_header::OFFSET, offset),
        (retry_header::TIMESTAMP, "77"),
        (retry_header::GROUP, group),
        (retry_header::HANDLER, handler),
        (retry_header::ATTEMPTS, attempts),
        (retry_header::REDRIVE_ID, "r1"),
    ] {
        headers.push(name, value.to_owned());
    }
    OutgoingRecord {
        topic: TopicName::from_static("role_events_redrive"),
        partition: None,
        key: None,
        value: Some(value.to_owned().into()),
        headers,
        timestamp_ms: None,
    }
}

fn claim(id: u64, role_id: i64) -> ClaimAdded {
    ClaimAdded { id, role_id }
}

async fn publish(app: &RunningApp, ids: std::ops::Range<u64>, roles: u64) {
    for id in ids {
        app.publish(&claim(id, i64::try_from(id % roles).unwrap())).await;
    }
}

/// Claim number `id` in partition `id`.
async fn publish_to_each(app: &RunningApp, ids: std::ops::Range<u64>) {
    for id in ids {
        let value = format!(r#"{{"eventType":"CLAIM_ADDED","data":{{"id":{id},"roleId":1}}}}"#);
        let record = OutgoingRecord {
            topic: TopicName::from_static(CLAIMS),
            partition: Some(i32::try_from(id).unwrap()),
            key: None,
            value: Some(value.into()),
            headers: Headers::new(),
            timestamp_ms: None,
        };
        app.publish_record(record).await;
    }
}

const SECOND: Duration = Duration::from_secs(1);
