//! What side by side gains, what a stuck key costs, and what one consumer group costs another.
//!
//! All on the broker in memory, with real time. Printed are ratios against a baseline of the same
//! run; that each key keeps its order is asserted on every record.
//!
//! ```text
//! cargo bench -p event-benchmark --bench concurrency
//! ```

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, OutgoingRecord};
use event_core::event::{Headers, TopicName};
use event_core::prelude::*;
use tokio::sync::Notify;

#[derive(Parser)]
struct Arguments {
    /// Records of 1 ms, one after the other
    #[arg(long, default_value_t = 2000)]
    sequential: u64,
    /// Records of 1 ms, side by side
    #[arg(long, default_value_t = 200_000)]
    concurrent: u64,
    /// Records beside a key that is stuck
    #[arg(long, default_value_t = 1_000_000)]
    beside: u64,
    /// Records of each group
    #[arg(long, default_value_t = 1_000_000)]
    isolated: u64,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

const KEYS: u64 = 1000;
const TOPIC: &str = "bench_events";

/// What all handlers share: how many records are done, and which is the next of each key.
#[derive(Clone)]
struct Work(Arc<Shared>);

struct Shared {
    done: AtomicU64,
    wanted: AtomicU64,
    all: Notify,
    next: Vec<AtomicU64>,
    stuck: AtomicBool,
    release: Notify,
}

impl Work {
    fn new(wanted: u64) -> Self {
        Work(Arc::new(Shared {
            done: AtomicU64::new(0),
            wanted: AtomicU64::new(wanted),
            all: Notify::new(),
            next: (0..KEYS).map(AtomicU64::new).collect(),
            stuck: AtomicBool::new(false),
            release: Notify::new(),
        }))
    }

    fn done(&self, number: u64) {
        let key = usize::try_from(number % KEYS).unwrap();
        let expected = self.0.next[key].swap(number + KEYS, Ordering::Relaxed);
        assert_eq!(expected, number, "key {key} lost its order");
        self.count();
    }

    fn count(&self) {
        let done = self.0.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done == self.0.wanted.load(Ordering::Relaxed) {
            self.0.all.notify_one();
        }
    }
}

mod one_by_one {
    use super::*;

    #[event_handler(topic = "bench_events", event = "STEP")]
    async fn handle(Json(number): Json<u64>, State(work): State<Work>) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        work.done(number);
    }
}

mod by_key {
    use super::*;

    #[event_handler(topic = "bench_events", event = "STEP", order = key, concurrency = 256)]
    async fn handle(Json(number): Json<u64>, State(work): State<Work>) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        work.done(number);
    }
}

mod beside_a_stuck_key {
    use super::*;

    #[event_handler(topic = "bench_events", event = "STEP", order = key, concurrency = 256)]
    async fn handle(Json(number): Json<u64>, State(work): State<Work>) {
        if number == 0 && work.0.stuck.load(Ordering::Relaxed) {
            work.0.release.notified().await;
        }
        work.done(number);
    }
}

mod alone {
    use super::*;

    #[event_handler(topic = "bench_events", event = "STEP")]
    async fn handle(Json(_): Json<u64>, State(work): State<Work>) {
        work.count();
    }
}

mod beside_failures {
    use super::*;

    #[event_handler(topic = "bench_events", event = "STEP")]
    async fn handle(Json(_): Json<u64>, State(work): State<Work>) {
        work.count();
    }

    #[event_handler(topic = "bench_events", event = "STEP", group = "failing",
        retry(attempts = 1000000, backoff = "1ms..1ms"), breaker = off)]
    async fn fail(Json(_): Json<u64>) -> Result {
        Err(Error::msg("always"))
    }
}

/// A broker with `records` in one partition, and their keys going round.
async fn broker_with(records: u64) -> MemoryBroker {
    let broker = MemoryBroker::new();
    for topic in [TOPIC, "bench_events_dlq"] {
        broker.create_topic(&TopicName::from_static(topic), 1);
    }
    let producer = broker.producer().unwrap();
    for number in 0..records {
        let value = format!(r#"{{"eventType":"STEP","data":{number}}}"#);
        let record = OutgoingRecord {
            topic: TopicName::from_static(TOPIC),
            partition: None,
            key: Some((number % KEYS).to_string().into()),
            value: Some(value.into()),
            headers: Headers::new(),
            timestamp_ms: None,
        };
        producer.send(record).await.unwrap();
    }
    broker
}

/// Runs the handlers of `module` until `until` is done; gives back how long that took.
async fn run(module: &str, broker: MemoryBroker, work: Work, until: impl Future) -> Duration {
    let app = EventApp::from_env("bench").unwrap();
    let app = app.handlers_from(format!("{}::{module}", module_path!())).state(work);
    let settings = Settings::load("bench", &SettingsOverrides::default(), []).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let begun = Instant::now();
    let running = tokio::spawn(async move {
        app.run_on(broker, settings, async move { drop(stopped.await) }).await
    });
    until.await;
    let took = begun.elapsed();
    drop(stop);
    running.await.expect("the service panicked").expect("the service failed");
    took
}

async fn rate(module: &str, records: u64) -> f64 {
    let work = Work::new(records);
    let all = Work::clone(&work);
    let broker = broker_with(records).await;
    let took = run(module, broker, work, async move { all.0.all.notified().await }).await;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let records = records as f64;
    records / took.as_secs_f64()
}

fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4 / 1024
}

async fn beside_a_stuck_key(records: u64) {
    let work = Work::new(records - records / KEYS);
    work.0.stuck.store(true, Ordering::Relaxed);
    let broker = broker_with(records).await;
    let watched = Work::clone(&work);
    let until = async move {
        let before = resident_mib();
        let mut marks = Vec::new();
        let mut next = records / 10;
        let all = watched.0.all.notified();
        let mut all = std::pin::pin!(all);
        loop {
            tokio::select! {
                () = &mut all => break,
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
            if watched.0.done.load(Ordering::Relaxed) >= next {
                marks.push(resident_mib().saturating_sub(before));
                next += records / 10;
            }
        }
        println!("  MiB above the start, at each tenth: {marks:?}");
        println!("  the rest is done while {} records wait", records / KEYS);
        watched.0.wanted.store(records, Ordering::Relaxed);
        watched.0.release.notify_one();
        watched.0.all.notified().await;
    };
    let took = run("beside_a_stuck_key", broker, work, until).await;
    println!("  {records} records in {took:.1?}, the stuck key in its order at last");
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("handlers of 1 ms, one partition, {KEYS} keys");
        let one_by_one = rate("one_by_one", arguments.sequential).await;
        let by_key = rate("by_key", arguments.concurrent).await;
        println!("  one after the other {one_by_one:>9.0} records/s");
        println!("  concurrency = 256   {by_key:>9.0} records/s, ratio {:.0}", by_key / one_by_one);

        println!("a key that is stuck, {} records", arguments.beside);
        beside_a_stuck_key(arguments.beside).await;

        println!("two consumer groups, one of which fails for ever");
        for round in 1..=3 {
            let alone = rate("alone", arguments.isolated).await;
            let beside = rate("beside_failures", arguments.isolated).await;
            println!(
                "  round {round}: alone {alone:>9.0} records/s, beside {beside:>9.0}, ratio {:.2}",
                beside / alone
            );
        }
    });
}
