//! The topic and its records.

use std::time::Duration;

use event_benchmark::broker::make_topics;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::TOPIC;
use crate::handlers::NAMES;
use crate::rows::{Compression, Row};

/// Makes the topic anew, with the records of this row.
pub(crate) fn fill(brokers: &str, row: &Row) {
    make_topics(brokers, &[(TOPIC, row.partitions), ("bench_events_dlq", 1)]);
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
