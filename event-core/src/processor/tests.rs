//! What a user notices of the engine, on the memory broker with the clock paused.

#![expect(clippy::unwrap_used, reason = "a test")]

mod abandoned;
mod alternating;
mod batches;
mod breaker;
mod commits;
mod failing_batches;
mod groups;
mod kept;
mod missing_topics;
mod observed;
mod postponed;
mod stuck;
mod turns;
mod writes;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::Broker;
use crate::broker::memory::{Fault, MemoryBroker, Request};
use crate::delivery::{NextOffset, SettledAbove, TopicPartition};
use crate::event::{GroupName, TopicName};
use crate::prelude::*;
use crate::processor::DeliveryPolicy;
use crate::testing::{RunningApp, TestApp};

const SECOND: Duration = Duration::from_secs(1);
const TOPIC: &str = "engine_events";

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(topic = "engine_events", name = "COUNTED", key = id)]
struct Counted {
    id: u64,
}

/// What handlers did: when, and with which event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Instant, u64)>>>);

impl Log {
    fn note(&self, id: u64) {
        self.0.lock().unwrap().push((Instant::now(), id));
    }

    fn ids(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(_, id)| *id).collect()
    }

    fn times(&self) -> Vec<Instant> {
        self.0.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

fn service(module: &str) -> TestApp {
    TestApp::new("engine").handlers_from(module)
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::from_static(TOPIC), partition: number }
}

async fn publish(app: &RunningApp, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        app.publish(&Counted { id }).await;
    }
}

/// What was committed for partition 0, with its metadata.
async fn committed(broker: &MemoryBroker) -> (NextOffset, String) {
    let group = GroupName::parse("engine").unwrap();
    let committed = Broker::committed(broker, &group, &[partition(0)], SECOND).await;
    let committed = committed.unwrap().remove(0);
    (committed.next.unwrap(), committed.metadata)
}
