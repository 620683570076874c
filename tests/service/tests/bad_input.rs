//! Every kind of bad input, interleaved with good events, through the embedded Kafka.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "shared/bad.rs"]
mod bad;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bad::Expected::{Dead, Handled, Skipped};
use bad::{Case, Expected, cases, event};
use bytes::Bytes;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::kafka::{EmbeddedBroker, KafkaBroker};
use event_core::broker::{Broker, Consumer, ConsumerEvent, OutgoingRecord, Subscription};
use event_core::event::{GroupName, Headers, TopicName};
use event_core::observe::Counters;
use event_core::prelude::*;
use event_core::processor::dead_letter_header as header;
use serde::{Deserialize, Serialize};
use service_tests::Seen;
use tokio::sync::oneshot;

const TOPIC: TopicName = TopicName::from_static("probe_events");
const DEAD_LETTERS: TopicName = TopicName::from_static("probe_events_dlq");
const PARTITIONS: i32 = 8;
const GOOD: u64 = 10_000;
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "probe_events", name = "PROBED")]
struct Probed {
    id: u64,
    #[serde(default)]
    amount: f64,
    #[serde(default)]
    note: String,
}

#[event_handler]
async fn probed(event: Event<Probed>, State(seen): State<Seen>) {
    let _ = (event.amount, &event.note);
    seen.note(event.id);
}

fn settings() -> Settings {
    Settings::load("bad_input", &SettingsOverrides::default(), []).unwrap()
}

fn subscription(group: &str, topic: TopicName) -> Subscription {
    Subscription {
        group: GroupName::parse(group).unwrap(),
        topics: vec![vec![topic]],
        retry_topics: Vec::new(),
        max_in_flight_bytes: 64 << 20,
        drain_timeout: Duration::from_secs(5),
        group_instance_id: None,
        wants_metadata: false,
        out_of_range: Default::default(),
        by_partition: false,
    }
}

/// What a consumer of `group` reads first from each partition until `enough`.
async fn read(
    broker: &KafkaBroker,
    group: &str,
    topic: TopicName,
    mut take: impl FnMut(event_core::delivery::RecordRef<'_>) -> bool,
) {
    let mut consumer = broker.subscribe(subscription(group, topic)).unwrap();
    let reading = async {
        loop {
            match consumer.next().await {
                ConsumerEvent::Records(batch) => {
                    for record in batch.iter() {
                        if take(record) {
                            return;
                        }
                    }
                }
                ConsumerEvent::Revoked(revocation) => revocation.release(Vec::new()),
                _ => {}
            }
        }
    };
    tokio::time::timeout(TIMEOUT, reading).await.expect("not everything arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_events_are_handled_and_bad_ones_are_dead_lettered_byte_for_byte() {
    let cluster = EmbeddedBroker::start().unwrap();
    cluster.create_topic(TOPIC.as_str(), PARTITIONS).unwrap();
    cluster.create_topic(DEAD_LETTERS.as_str(), 4).unwrap();
    let (seen, counters) = (Seen::default(), Arc::new(Counters::default()));
    let (stop, stopped) = oneshot::channel::<()>();
    let app = EventApp::from_env("bad_input")
        .unwrap()
        .handlers_from(module_path!())
        .state(seen.clone())
        .observer(counters.clone());
    let running = tokio::spawn(app.run_on(cluster.broker(), settings(), async {
        let _ = stopped.await;
    }));

    let producer = cluster.broker().producer().unwrap();
    let cases = cases();
    let every = GOOD / u64::try_from(cases.len()).unwrap();
    let mut sends = Vec::new();
    let mut bad = cases.iter();
    for id in 0..GOOD {
        // Ids from 1000 on, so that the cases that are handled (id 1) are distinguished.
        sends.push(producer.send(outgoing(
            id,
            None,
            Some(event(&format!(r#"{{"id":{}}}"#, id + 1000)).into()),
        )));
        if id % every == 0
            && let Some(case) = bad.next()
        {
            let mut record = outgoing(id, case.key.clone(), case.value.clone());
            record.headers = case.headers.clone();
            record.timestamp_ms = case.timestamp_ms;
            sends.push(producer.send(record));
        }
    }
    for case in bad {
        sends.push(producer.send(outgoing(0, case.key.clone(), case.value.clone())));
    }
    let total = u64::try_from(sends.len()).unwrap();
    for send in sends {
        send.await.unwrap();
    }
    let settled =
        tokio::time::timeout(TIMEOUT, counters.wait_until(|counts| counts.settled() >= total));
    let counts = settled.await.unwrap_or_else(|_| panic!("{:?} of {total}", counters.counts()));
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();

    let count = |is: fn(&Expected) -> bool| {
        u64::try_from(cases.iter().filter(|case| is(&case.expected)).count()).unwrap()
    };
    let dead = count(|b| matches!(b, Dead(_)));
    println!("{GOOD} good events and {} cases: {counts:?}", cases.len());
    assert!(cases.len() >= 30, "{}", cases.len());
    assert_eq!(counts.handled, GOOD + count(|b| matches!(b, Handled)));
    assert_eq!(counts.skipped, count(|b| matches!(b, Skipped)));
    assert_eq!(counts.dead_lettered, dead);
    assert_eq!(counts.retried, 0, "bad input is never retried");
    let mut good: Vec<_> = seen.ids().into_iter().filter(|id| *id >= 1000).collect();
    good.sort_unstable();
    assert_eq!(good, (1000..1000 + GOOD).collect::<Vec<_>>(), "nothing is lost or repeated");

    dead_letters_are_the_bad_ones(&cluster.broker(), &cases, dead).await;
    offsets_are_committed_to_the_end(&cluster.broker()).await;
}

fn outgoing(id: u64, key: Option<Bytes>, value: Option<Bytes>) -> OutgoingRecord {
    OutgoingRecord {
        topic: TOPIC,
        partition: Some(i32::try_from(id).unwrap() % PARTITIONS),
        key,
        value,
        headers: Headers::new(),
        timestamp_ms: None,
    }
}

async fn dead_letters_are_the_bad_ones(broker: &KafkaBroker, cases: &[Case], dead: u64) {
    type Letter = (Option<Vec<u8>>, String, String, Option<String>);
    let mut letters: Vec<Letter> = Vec::new();
    read(broker, "reader", DEAD_LETTERS, |record| {
        let headers = record.to_headers();
        let text = |name| headers.get_text(name).map(str::to_owned);
        letters.push((
            record.value.map(<[u8]>::to_vec),
            text(header::REASON).unwrap(),
            text(header::ATTEMPTS).unwrap(),
            text(header::VALUE_BYTES_LEFT_OUT),
        ));
        letters.len() as u64 == dead
    })
    .await;
    for case in cases {
        let Dead(reason) = case.expected else { continue };
        let found = letters.iter().position(|(value, why, ..)| {
            why == reason && value.as_deref() == case.value.as_deref()
        });
        let found = found.unwrap_or_else(|| {
            panic!(
                "no dead letter {reason} with the bytes of {:?}; there are {:?}",
                case.name,
                letters
                    .iter()
                    .map(|(v, r, ..)| (v.as_ref().map(Vec::len), r))
                    .collect::<BTreeMap<_, _>>()
            )
        });
        let (_, _, attempts, _) = letters.swap_remove(found);
        assert_eq!(attempts, "0", "{}", case.name);
    }
    assert!(letters.is_empty(), "dead letters that nobody sent: {letters:?}");
}

async fn offsets_are_committed_to_the_end(broker: &KafkaBroker) {
    let producer = broker.producer().unwrap();
    for partition in 0..PARTITIONS {
        let marker = OutgoingRecord {
            partition: Some(partition),
            ..outgoing(0, None, Some("marker".into()))
        };
        producer.send(marker).await.unwrap();
    }
    let mut markers = 0;
    read(broker, "bad_input", TOPIC, |record| {
        assert_eq!(
            record.value,
            Some(&b"marker"[..]),
            "offset {} was not committed",
            record.offset
        );
        markers += 1;
        markers == PARTITIONS
    })
    .await;
}
