//! What lanes in the order of the partition allocate: nothing for a record, a few times for what comes
//! together.
//!
//! All lanes run on the one worker of a runtime, where nothing else runs; its allocations are counted from a
//! record to a later one. What is decoded are numbers, which take none.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use event_benchmark::allocations::{self, CountingAllocator};
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::kafka::{EmbeddedBroker, KafkaBroker};
use event_core::broker::{Broker, OutgoingRecord};
use event_core::event::{Headers, TopicName};
use event_core::observe::{Observation, Observer};
use event_core::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const TOPIC: &str = "counted_events";
const RECORDS: u64 = 60_000;
/// So many go before: until then loops are made, and what is used again has its size.
const WARM: u64 = 10_000;

macro_rules! contracts {
    ($($name:ident $text:literal)*) => {
        $(
            #[derive(Event, Serialize, Deserialize)]
            #[event(topic = "counted_events", name = $text)]
            #[serde(rename_all = "camelCase")]
            struct $name {
                id: u64,
                role_id: u64,
            }
        )*
    };
}

contracts! { First "FIRST" Second "SECOND" Third "THIRD" }

macro_rules! handlers {
    ($module:ident, Event, $how:tt) => {
        mod $module {
            use super::*;
            handlers!(@ first First, Event, $how);
            handlers!(@ second Second, Event, $how);
            handlers!(@ third Third, Event, $how);
        }
    };
    ($module:ident, Batch, $how:tt) => {
        mod $module {
            use super::*;
            handlers!(@ first First, Batch, $how);
            handlers!(@ second Second, Batch, $how);
            handlers!(@ third Third, Batch, $how);
        }
    };
    (@ $name:ident $contract:ident, Event, $how:tt) => {
        #[event_handler $how]
        async fn $name(event: Event<$contract>, State(meter): State<Meter>) {
            meter.count(1, event.id ^ event.role_id);
        }
    };
    (@ $name:ident $contract:ident, Batch, $how:tt) => {
        #[event_handler $how]
        async fn $name(events: Batch<$contract>, State(meter): State<Meter>) {
            let sum = events.iter().fold(0, |sum, event| sum ^ event.id ^ event.role_id);
            meter.count(events.len() as u64, sum);
        }
    };
}

handlers!(sequential, Event, ());
handlers!(batches, Batch, (batch(max = 500, wait = "20ms")));

/// Counts what comes, and what was allocated by then.
#[derive(Clone, Default)]
struct Meter(Arc<Counted>);

#[derive(Default)]
struct Counted {
    seen: AtomicU64,
    calls: AtomicU64,
    received: AtomicU64,
    sum: AtomicU64,
    began: OnceLock<Counts>,
    ended: OnceLock<Counts>,
    done: Notify,
}

#[derive(Debug)]
struct Counts {
    records: u64,
    /// Calls of handlers.
    calls: u64,
    /// Batches that lanes got.
    received: u64,
    allocations: u64,
}

impl Meter {
    fn count(&self, records: u64, sum: u64) {
        let counted = &*self.0;
        counted.sum.fetch_xor(sum, Ordering::Relaxed);
        let seen = counted.seen.fetch_add(records, Ordering::Relaxed) + records;
        let calls = counted.calls.fetch_add(1, Ordering::Relaxed);
        let now = || Counts {
            records: seen,
            calls,
            received: counted.received.load(Ordering::Relaxed),
            allocations: allocations::of_this_thread(),
        };
        if seen >= WARM {
            counted.began.get_or_init(now);
        }
        if seen >= RECORDS && counted.ended.set(now()).is_ok() {
            counted.done.notify_one();
        }
    }
}

impl Observer for Meter {
    fn observe(&self, observation: &Observation<'_>) {
        if matches!(observation, Observation::Received { .. }) {
            self.0.received.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn fill(broker: &KafkaBroker) {
    let producer = broker.producer().unwrap();
    let sends: Vec<_> = (0..RECORDS)
        .map(|id| {
            let name = ["FIRST", "SECOND", "THIRD"][usize::try_from(id % 3).unwrap()];
            let value = format!(r#"{{"eventType":"{name}","data":{{"id":{id},"roleId":7}}}}"#);
            producer.send(OutgoingRecord {
                topic: TopicName::from_static(TOPIC),
                partition: Some(i32::try_from(id / 3 % 3).unwrap()),
                key: Some((id % 1000).to_string().into()),
                value: Some(value.into()),
                headers: Headers::new(),
                timestamp_ms: None,
            })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
}

/// What the handlers of a module cost between two records.
fn counted(module: &str) -> Counts {
    allocations::start();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cluster = EmbeddedBroker::start().unwrap();
    cluster.create_topic(TOPIC, 3).unwrap();
    cluster.create_topic("counted_events_dlq", 1).unwrap();
    let (meter, broker) = (Meter::default(), cluster.broker());
    let state = Arc::clone(&meter.0);
    runtime.block_on(async {
        fill(&broker).await;
        let overrides = SettingsOverrides { group: Some("counted".into()), ..Default::default() };
        let settings = Settings::load("counted", &overrides, []).unwrap();
        let app = EventApp::from_env("counted").unwrap().state(meter.clone());
        let app = app.observer(Arc::new(meter.clone()));
        let app = app.handlers_from(format!("{}::{module}", env!("CARGO_CRATE_NAME")));
        app.run_on(broker, settings, async move { state.done.notified().await }).await.unwrap();
    });
    let (began, ended) = (meter.0.began.get().unwrap(), meter.0.ended.get().unwrap());
    let counts = Counts {
        records: ended.records - began.records,
        calls: ended.calls - began.calls,
        received: ended.received - began.received,
        allocations: ended.allocations - began.allocations,
    };
    println!("{module}: {counts:?}");
    // So that a few for a batch are nearly none for a record.
    assert!(counts.received < counts.records / 2, "{counts:?}");
    counts
}

#[test]
fn a_record_in_the_order_of_its_partition_allocates_nothing() {
    let Counts { received, allocations, .. } = counted("sequential");
    assert!(allocations <= 4 * received, "{allocations}");
}

#[test]
fn a_batch_in_the_order_of_its_partition_allocates_a_few_times() {
    // Types that alternate: each call has one record.
    let Counts { calls, received, allocations, .. } = counted("batches");
    assert!(allocations <= 2 * calls + 4 * received, "{allocations}");
}
