//! How fast a service drains a backlog, against a hand-written `BaseConsumer` loop that decodes the
//! same records into the same type.
//!
//! Both run in this process, in alternating rounds, each in a consumer group of its own; the first
//! round of each is not counted. What is timed is from the first record to the last. Printed are the
//! rates, and the ratios hand-written / event-core: above 1 means that event-core is faster.
//!
//! ```text
//! cargo bench -p event-benchmark                                  # the embedded broker
//! cargo bench -p event-benchmark -- --brokers 127.0.0.1:9092      # a real Kafka, topic made by you
//! ```

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::kafka::{EmbeddedBroker, KafkaBroker, KafkaSettings};
use event_core::broker::{Broker, OutgoingRecord};
use event_core::event::{Headers, TopicName};
use event_core::prelude::*;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Message};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Parser)]
struct Arguments {
    /// A real cluster in place of the embedded one; the topic `bench_events` and its dead-letter
    /// topic must exist; it is filled when it is empty, and must else hold `--messages` records
    #[arg(long)]
    brokers: Option<String>,
    /// How many records
    #[arg(long, default_value_t = 800_000)]
    messages: u64,
    /// Partitions of the embedded topic, which keeps 5 MiB in each
    #[arg(long, default_value_t = 32)]
    partitions: i32,
    /// Counted rounds of each
    #[arg(long, default_value_t = 6)]
    rounds: u32,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

const TOPIC: &str = "bench_events";

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "bench_events", name = "CLAIM_ADDED")]
#[serde(rename_all = "camelCase")]
struct ClaimAdded {
    id: u64,
    role_id: i64,
    note: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ByHand {
    event_type: String,
    #[expect(dead_code, reason = "decoded, as a service would")]
    user_id: Option<i64>,
    data: ClaimAdded,
}

/// Counts the records of a round and notes when the first and the last came.
#[derive(Clone)]
struct Meter(Arc<MeterState>);

struct MeterState {
    goal: u64,
    seen: AtomicU64,
    sum: AtomicU64,
    began: std::sync::OnceLock<Instant>,
    ended: std::sync::OnceLock<Instant>,
    done: Notify,
}

impl Meter {
    fn new(goal: u64) -> Self {
        Meter(Arc::new(MeterState {
            goal,
            seen: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            began: std::sync::OnceLock::new(),
            ended: std::sync::OnceLock::new(),
            done: Notify::new(),
        }))
    }

    // Returns whether it was the last.
    fn count(&self, event: &ClaimAdded) -> bool {
        let value = event.id ^ event.role_id.unsigned_abs() ^ event.note.len() as u64;
        self.0.sum.fetch_add(value, Ordering::Relaxed);
        let seen = self.0.seen.fetch_add(1, Ordering::Relaxed);
        if seen == 0 {
            self.0.began.get_or_init(Instant::now);
        }
        let last = seen + 1 == self.0.goal;
        if last {
            self.0.ended.get_or_init(Instant::now);
            self.0.done.notify_one();
        }
        last
    }

    fn elapsed(&self) -> Duration {
        *self.0.ended.get().expect("all arrived") - *self.0.began.get().expect("one arrived")
    }
}

#[event_handler]
async fn claim_added(event: Event<ClaimAdded>, State(meter): State<Meter>) {
    meter.count(&event);
}

struct Round {
    wall: Duration,
    cpu: Duration,
    sum: u64,
}

fn measured(meter: &Meter, cpu: Duration) -> Round {
    let seen = meter.0.seen.load(Ordering::Relaxed);
    assert_eq!(seen, meter.0.goal, "every record exactly once");
    Round { wall: meter.elapsed(), cpu, sum: meter.0.sum.load(Ordering::Relaxed) }
}

fn by_hand(config: &ClientConfig, group: &str, messages: u64) -> Round {
    let meter = Meter::new(messages);
    let before = cpu_time();
    let consumer: BaseConsumer = config.clone().set("group.id", group).create().unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    loop {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let event: ByHand = serde_json::from_slice(message.payload().unwrap()).unwrap();
        if event.event_type == "CLAIM_ADDED" && meter.count(&event.data) {
            break;
        }
    }
    let cpu = cpu_time() - before;
    consumer.commit_consumer_state(CommitMode::Sync).ok();
    measured(&meter, cpu)
}

async fn with_event_core(broker: KafkaBroker, group: &str, messages: u64) -> Round {
    let meter = Meter::new(messages);
    let before = cpu_time();
    let overrides = SettingsOverrides { group: Some(group.into()), ..Default::default() };
    let settings = Settings::load("bench", &overrides, []).unwrap();
    let app = EventApp::from_env("bench").unwrap().state(meter.clone());
    let state = Arc::clone(&meter.0);
    let cpu = Arc::new(std::sync::OnceLock::new());
    let noted = Arc::clone(&cpu);
    app.run_on(broker, settings, async move {
        state.done.notified().await;
        noted.set(cpu_time() - before).unwrap();
    })
    .await
    .unwrap();
    measured(&meter, *cpu.get().unwrap())
}

/// User and system time of this process, from the kernel.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    // USER_HZ is 100 on every Linux.
    Duration::from_millis(ticks * 10)
}

async fn fill(broker: &KafkaBroker, messages: u64, partitions: i32) {
    let producer = broker.producer().unwrap();
    let mut sends = std::collections::VecDeque::new();
    for id in 0..messages {
        let id = 1_000_000 + id;
        let value = format!(
            r#"{{"eventType":"CLAIM_ADDED","userId":42,"data":{{"id":{id},"roleId":{},"note":"{:x<54}"}}}}"#,
            id % 10,
            ""
        );
        let partition = i32::try_from(id % partitions.unsigned_abs() as u64).unwrap();
        sends.push_back(producer.send(OutgoingRecord {
            topic: TopicName::from_static(TOPIC),
            partition: Some(partition),
            key: None,
            value: Some(value.into()),
            headers: Headers::new(),
            timestamp_ms: None,
        }));
        if sends.len() >= 50_000 {
            sends.pop_front().unwrap().await.unwrap();
        }
    }
    for send in sends {
        send.await.unwrap();
    }
}

/// How many records the topic holds.
fn record_count(address: &str, partitions: i32) -> u64 {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    let one = |partition| {
        let within = Duration::from_secs(8);
        let (low, high) = consumer.fetch_watermarks(TOPIC, partition, within).unwrap();
        u64::try_from(high - low).unwrap()
    };
    (0..partitions).map(one).sum()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let cluster = EmbeddedBroker::start().unwrap();
    let (address, broker, embedded) = match &arguments.brokers {
        Some(brokers) => {
            let settings = KafkaSettings {
                brokers: brokers.clone(),
                client_id: "bench".into(),
                properties: Vec::new(),
            };
            (brokers.clone(), KafkaBroker::connect(settings).unwrap(), false)
        }
        None => {
            cluster.create_topic(TOPIC, arguments.partitions).unwrap();
            cluster.create_topic("bench_events_dlq", 1).unwrap();
            (cluster.address().to_owned(), cluster.broker(), true)
        }
    };
    let name = [TopicName::from_static(TOPIC)];
    let topics = runtime.block_on(broker.topics(&name, Duration::from_secs(8))).unwrap();
    let partitions = topics[0].partitions.clone().expect("the topic bench_events");
    let record_count = record_count(&address, partitions);
    if record_count == 0 {
        // Records in large batches, as a backlog lies on a broker; one batch a record would measure
        // how the broker looks them up.
        let properties = vec![("linger.ms".to_owned(), "50".to_owned().into())];
        let filling =
            KafkaSettings { brokers: address.clone(), client_id: "fill".into(), properties };
        let filling = KafkaBroker::connect(filling).unwrap();
        runtime.block_on(fill(&filling, arguments.messages, partitions));
    } else {
        assert_eq!(
            record_count, arguments.messages,
            "the topic holds another number of records than `--messages`"
        );
    }

    // The settings that matter for fetching are those that event-core uses, so that only the loop
    // differs.
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &address)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true")
        .set("fetch.queue.backoff.ms", "1")
        .set("fetch.wait.max.ms", "10");
    if embedded {
        config.set("group.protocol", "consumer");
    }
    let run = std::process::id();
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    println!("{} records on {partitions} partitions of {address}", arguments.messages);
    println!("round  by hand rec/s   event-core rec/s   wall ratio   cpu ratio");
    for round in 0..=arguments.rounds {
        let hand = by_hand(&config, &format!("hand-{run}-{round}"), arguments.messages);
        let group = format!("core-{run}-{round}");
        let core = runtime.block_on(with_event_core(broker.clone(), &group, arguments.messages));
        assert_eq!(hand.sum, core.sum, "both decoded the same records");
        let rate = |round: &Round| arguments.messages as f64 / round.wall.as_secs_f64();
        let wall = hand.wall.as_secs_f64() / core.wall.as_secs_f64();
        let cpu = core.cpu.as_secs_f64() / hand.cpu.as_secs_f64();
        let note = if round == 0 { "   (warm-up)" } else { "" };
        println!(
            "{round:5}  {:13.0}  {:17.0}  {wall:11.2}  {cpu:10.2}{note}",
            rate(&hand),
            rate(&core)
        );
        if round > 0 {
            walls.push(wall);
            cpus.push(cpu);
        }
    }
    println!(
        "median: {:.2} x the rate of the loop by hand, {:.2} x its CPU",
        median(walls),
        median(cpus)
    );
}
