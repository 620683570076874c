//! The sides of a row, each in a process of its own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use event_benchmark::cost::{Cost, cpu_time};
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::kafka::{KafkaBroker, KafkaSettings};
use event_core::prelude::*;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Message};

use crate::TOPIC;
use crate::handlers::{AnyBorrowed, AnyOwned, compute, in_two_passes};
use crate::meter::Meter;
use crate::rows::{Order, Row, Work};

/// How a loop by hand reads a record.
#[derive(Clone, Copy)]
pub(crate) enum Passes {
    /// An enum of all types whose tag is the name: the fastest way with serde where the name comes first.
    One,
    /// The name and the raw data, then the data.
    Two,
}

impl Passes {
    pub(crate) fn count(self, row: &Row, meter: &Meter, value: &[u8]) {
        match (self, row.borrowed) {
            (Passes::Two, borrowed) => meter.count(&in_two_passes(value, borrowed)),
            (Passes::One, true) => {
                meter.count(&serde_json::from_slice::<AnyBorrowed<'_>>(value).unwrap())
            }
            (Passes::One, false) => {
                meter.count(&serde_json::from_slice::<AnyOwned>(value).unwrap())
            }
        };
    }
}

/// The loop that one would write by hand, at least once: it decodes what a service decodes and commits
/// what it has handled.
pub(crate) fn by_hand(row: &Row, brokers: &str, group: &str, passes: Passes) -> Cost {
    let goal = row.by_hand.unwrap_or(row.records);
    let meter = Meter::new(goal * row.groups);
    let one = |number: u64| {
        let consumer: BaseConsumer =
            config(brokers).set("group.id", format!("{group}-{number}")).create().unwrap();
        consumer.subscribe(&[TOPIC]).unwrap();
        let mut seen = 0;
        // The others of the topic's groups read as much.
        while seen < goal && !meter.is_done() {
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.unwrap();
            let value = message.payload().unwrap();
            match row.work {
                Work::Wait => std::thread::sleep(Duration::from_millis(1)),
                Work::Compute => compute(),
                Work::Count | Work::Fail | Work::Refuse => {}
            }
            seen += 1;
            passes.count(row, &meter, value);
            consumer.store_offset_from_message(&message).unwrap();
        }
        let cpu = cpu_time();
        consumer.commit_consumer_state(CommitMode::Sync).ok();
        cpu
    };
    let cpu = std::thread::scope(|scope| {
        let one = &one;
        let groups: Vec<_> =
            (0..row.groups).map(|number| scope.spawn(move || one(number))).collect();
        groups.into_iter().map(|thread| thread.join().unwrap()).max()
    });
    meter.cost(cpu.unwrap_or_default())
}

/// A service with the handlers of the row.
pub(crate) async fn with_event_core(row: &Row, brokers: &str, group: &str) -> Cost {
    if !row.no_log {
        // As in production: everything from `info` on is written, here to nowhere.
        tracing_subscriber::fmt().with_writer(std::io::sink).init();
    }
    let meter = Meter::new(row.records * row.groups);
    let overrides = SettingsOverrides { group: Some(group.into()), ..Default::default() };
    let settings = Settings::load("bench", &overrides, []).unwrap();
    let app = EventApp::from_env("bench").unwrap().state(meter.clone());
    let app = modules(row).iter().fold(app, |app, module| {
        app.handlers_from(format!("{}::handlers::{module}", env!("CARGO_CRATE_NAME")))
    });
    let broker = KafkaBroker::connect(KafkaSettings {
        brokers: brokers.to_owned(),
        client_id: "bench".into(),
        properties: Vec::new(),
    });
    let cpu = Arc::new(OnceLock::new());
    let (done, noted) = (meter.clone(), Arc::clone(&cpu));
    let shutdown = async move {
        done.done().await;
        noted.set(cpu_time()).unwrap();
    };
    app.run_on(broker.unwrap(), settings, shutdown).await.unwrap();
    meter.cost(*cpu.get().unwrap())
}

fn modules(row: &Row) -> &'static [&'static str] {
    match (row.work, row.order, row.types) {
        (Work::Fail, Order::Key, _) => &["failing_by_key"],
        (Work::Fail, Order::None, _) => &["failing_unordered"],
        (Work::Fail, ..) => &["failing"],
        (Work::Refuse, ..) => &["refusing"],
        (Work::Wait, ..) => &["waiting"],
        (Work::Compute, ..) => &["computing"],
        (_, Order::Key, _) => &["by_key"],
        (_, Order::None, _) => &["unordered"],
        (_, Order::Batch, 1) => &["batch_1"],
        (_, Order::Batch, _) => &["batch_3"],
        (_, Order::BatchNone, _) => &["batch_unordered"],
        (_, Order::Partition, 1) => &["owned_1"],
        (_, Order::Partition, 30) => &["owned_all"],
        _ if row.borrowed => &["borrowed_3"],
        _ if row.groups == 4 => &["group_a", "group_b", "group_c", "group_d"],
        _ => &["owned_3"],
    }
}

/// What matters for fetching is as event-core has it, so that only the loop differs.
pub(crate) fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "true")
        .set("enable.auto.offset.store", "false")
        .set("check.crcs", "true")
        .set("fetch.queue.backoff.ms", "1")
        .set("fetch.wait.max.ms", "10");
    config
}
