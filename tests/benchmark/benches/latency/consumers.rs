//! What reads: prints a line when the first record came, and the percentiles after the last.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::kafka::{KafkaBroker, KafkaSettings};
use event_core::prelude::*;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::sender::now;
use crate::{Side, TOPIC};

const WAIT_NS: u64 = 20_000_000;

#[derive(Event, Deserialize)]
#[event(topic = "bench_latency", name = "SENT")]
struct Sent {
    number: u64,
    at: u64,
}

#[derive(Deserialize)]
#[serde(tag = "eventType", content = "data")]
enum ByHand {
    #[serde(rename = "SENT")]
    Sent(Sent),
}

/// The delays of the records that are measured.
#[derive(Clone)]
struct Delays(Arc<Shared>);

struct Shared {
    range: RangeInclusive<u64>,
    delays: Mutex<(Vec<u64>, u64)>,
    ready: Once,
    done: Notify,
}

impl Delays {
    fn new(range: RangeInclusive<u64>) -> Self {
        let (ready, done, delays) = (Once::new(), Notify::new(), Mutex::default());
        Delays(Arc::new(Shared { range, delays, ready, done }))
    }

    /// A record of which the handler took note after `delay_ns`, or did not; whether it was the last.
    fn seen(&self, number: u64, delay_ns: Option<u64>) -> bool {
        self.0.ready.call_once(|| println!("ready"));
        if !self.0.range.contains(&number) {
            return false;
        }
        let mut delays = self.0.delays.lock().unwrap();
        delays.0.extend(delay_ns);
        delays.1 += 1;
        let is_last = delays.1 == self.0.range.end() - self.0.range.start() + 1;
        if is_last {
            self.0.done.notify_one();
        }
        is_last
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    fn print(&self) {
        let mut delays = std::mem::take(&mut self.0.delays.lock().unwrap().0);
        delays.sort_unstable();
        let at = |per_mille: usize| delays[(delays.len() - 1) * per_mille / 1000] as f64 / 1e6;
        println!("{} {} {} {}", at(500), at(990), at(999), at(1000));
    }
}

mod single {
    use super::*;

    #[event_handler]
    async fn handle(event: Event<Sent>, State(delays): State<Delays>) {
        delays.seen(event.number, Some(now().saturating_sub(event.at)));
    }
}

mod batched {
    use super::*;

    #[event_handler(batch(max = 500, wait = "20ms"))]
    async fn handle(events: Batch<Sent>, State(delays): State<Delays>) {
        let oldest = events.iter().map(|event| event.at).min().unwrap_or_default();
        let delay = now().saturating_sub(oldest);
        for (index, event) in events.iter().enumerate() {
            delays.seen(event.number, (index == 0).then(|| delay.saturating_sub(WAIT_NS)));
        }
    }
}

pub(crate) fn read(side: Side, brokers: &str, group: &str, range: RangeInclusive<u64>) {
    let delays = Delays::new(range);
    match side {
        Side::Hand => by_hand(brokers, group, &delays),
        Side::Core => with_event_core(brokers, group, &delays, "single"),
        Side::Batch => with_event_core(brokers, group, &delays, "batched"),
    }
    delays.print();
}

fn by_hand(brokers: &str, group: &str, delays: &Delays) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.offset.store", "false")
        .set("check.crcs", "true")
        .create()
        .unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    loop {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let ByHand::Sent(sent) = serde_json::from_slice(message.payload().unwrap()).unwrap();
        if delays.seen(sent.number, Some(now().saturating_sub(sent.at))) {
            return;
        }
        consumer.store_offset_from_message(&message).unwrap();
    }
}

fn with_event_core(brokers: &str, group: &str, delays: &Delays, module: &str) {
    let overrides = SettingsOverrides { group: Some(group.into()), ..Default::default() };
    let settings = Settings::load("bench", &overrides, []).unwrap();
    let app = EventApp::from_env("bench")
        .unwrap()
        .state(delays.clone())
        .handlers_from(format!("{}::{module}", module_path!()));
    let broker = KafkaBroker::connect(KafkaSettings {
        brokers: brokers.to_owned(),
        client_id: "bench".into(),
        properties: Vec::new(),
    });
    let done = delays.clone();
    let shutdown = async move { done.0.done.notified().await };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(app.run_on(broker.unwrap(), settings, shutdown)).unwrap();
}
