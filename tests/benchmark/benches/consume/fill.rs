//! The topic and its records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::TOPIC;
use crate::handlers::NAMES;
use crate::rows::{Compression, Row};

/// A number that was not given before.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Makes the topic anew, with the records of this row.
pub(crate) fn fill(brokers: &str, row: &Row) {
    make_topics(brokers, row.partitions);
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "50")
        // As a backlog lies on a broker.
        .set("batch.num.messages", "10000")
        .set(
            "compression.type",
            match row.compression {
                Compression::None => "none",
                Compression::Lz4 => "lz4",
                Compression::Zstd => "zstd",
            },
        )
        .set("queue.buffering.max.messages", "200000")
        .create()
        .unwrap();
    for id in 0..row.records {
        let (key, value) = record(row, id);
        let (key, value) = (key.as_str(), value.as_str());
        loop {
            let record =
                BaseRecord::to(TOPIC).key(key).payload(value).partition(partition(row, id));
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    producer.flush(Duration::from_millis(20)).ok();
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }
    producer.flush(Duration::from_secs(120)).unwrap();
}

/// The records of a key lie in one partition.
fn partition(row: &Row, id: u64) -> i32 {
    let count = row.partitions.unsigned_abs() as u64;
    let key = id % row.keys;
    let partition = if row.hot && !key.is_multiple_of(10) { 0 } else { key % count };
    i32::try_from(partition).unwrap()
}

fn record(row: &Row, id: u64) -> (String, String) {
    // Types do not go with keys, nor with partitions.
    let hash = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let kind = NAMES[usize::try_from(hash % row.types).unwrap()];
    let role = id % row.keys;
    let start = format!(
        r#"{{"eventType":"{kind}","userId":42,"data":{{"id":{},"roleId":{role},"note":""#,
        1_000_000 + id
    );
    let end = r#""}}"#;
    let note = row.size.saturating_sub(start.len() + end.len());
    // Such as text has: each compressor finds something.
    let words = "the role was given to a user who asked for it and may read all accounts, ";
    let note: String =
        words.chars().cycle().skip(usize::try_from(hash % 37).unwrap()).take(note).collect();
    (role.to_string(), format!("{start}{note}{end}"))
}

fn make_topics(brokers: &str, partitions: i32) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let names = [TOPIC, "bench_events_dlq"];
    // Those of another run may be there.
    runtime.block_on(admin.delete_topics(&names, &options)).unwrap();
    let topic = |name, count| NewTopic::new(name, count, TopicReplication::Fixed(1));
    let topics = [topic(TOPIC, partitions), topic("bench_events_dlq", 1)];
    let within = Instant::now() + Duration::from_secs(60);
    loop {
        let made = runtime.block_on(admin.create_topics(&topics, &options)).unwrap();
        // A topic is gone a while after it was deleted.
        match made.into_iter().find_map(Result::err) {
            None => return,
            Some((_, RDKafkaErrorCode::TopicAlreadyExists)) if Instant::now() < within => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Some((name, code)) => panic!("{name} cannot be made: {code}"),
        }
    }
}
