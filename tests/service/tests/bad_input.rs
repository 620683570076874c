//! Every kind of bad input, interleaved with good events, through the embedded Kafka.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::kafka::{EmbeddedBroker, KafkaBroker};
use event_core::broker::{Broker, Consumer, ConsumerEvent, OutgoingRecord, Subscription};
use event_core::event::{GroupName, Headers, TopicName};
use event_core::observe::Tally;
use event_core::prelude::*;
use event_core::processor::dead_letter_header as header;
use serde::{Deserialize, Serialize};
use service_tests::Seen;
use tokio::sync::oneshot;

const TOPIC: TopicName = TopicName::from_static("probe_events");
const DEAD_LETTERS: TopicName = TopicName::from_static("probe_events_dlq");
const PARTITIONS: i32 = 8;
const GOOD: u64 = 10_000;
const DEADLINE: Duration = Duration::from_secs(120);

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

/// What must become of a record.
#[derive(Clone, Copy, Debug)]
enum Becomes {
    Dead(&'static str),
    Handled,
    Skipped,
}
use Becomes::{Dead, Handled, Skipped};

struct Case {
    name: &'static str,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Headers,
    timestamp_ms: Option<i64>,
    becomes: Becomes,
}

fn value(name: &'static str, value: impl Into<Vec<u8>>, becomes: Becomes) -> Case {
    let value = Some(Bytes::from(value.into()));
    Case { name, key: None, value, headers: Headers::new(), timestamp_ms: None, becomes }
}

fn event(data: &str) -> Vec<u8> {
    format!(r#"{{"eventType":"PROBED","data":{data}}}"#).into_bytes()
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn broken_values() -> Vec<Case> {
    let good = event(r#"{"id":1}"#);
    let with = |tail: &[u8]| [good.as_slice(), tail].concat();
    let ignored = |bytes: &[u8]| {
        [br#"{"eventType":"PROBED","data":{"id":1},"x":""#, bytes, br#""}"#].concat()
    };
    let noted = |bytes: &[u8]| {
        [br#"{"eventType":"PROBED","data":{"id":1,"note":""#, bytes, br#""}}"#].concat()
    };
    let digits = "9".repeat(1_000_000);
    vec![
        value("empty", "", Dead("empty_value")),
        value("white space", " \r\n\t ", Dead("empty_value")),
        value("null", "null", Dead("not_an_object")),
        value("a string", "\"PROBED\"", Dead("not_an_object")),
        value("a number", "17", Dead("not_an_object")),
        value("an array", r#"["PROBED",1]"#, Dead("not_an_object")),
        value(
            "a byte order mark",
            [b"\xEF\xBB\xBF", good.as_slice()].concat(),
            Dead("byte_order_mark"),
        ),
        value(
            "UTF-16 with a mark",
            [b"\xFF\xFE".to_vec(), utf16("{}")].concat(),
            Dead("byte_order_mark"),
        ),
        value("UTF-16 without a mark", utf16(r#"{"eventType":"PROBED"}"#), Dead("malformed_json")),
        value(
            "a schema registry's prefix",
            [b"\0\0\0\0\x07", good.as_slice()].concat(),
            Dead("schema_registry_framing"),
        ),
        value("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", Dead("compressed_value")),
        value("random bytes", b"\x9c\x01\xd3\xfe\x00\x11\x80", Dead("not_utf8")),
        value("truncated", &good[..good.len() - 3], Dead("truncated_json")),
        value("trailing bytes", with(b" x"), Dead("trailing_data")),
        value("two documents", with(&good), Dead("trailing_data")),
        value("a trailing NUL", with(b"\0"), Dead("trailing_data")),
        value("not UTF-8 in the data", noted(b"\xC3"), Dead("not_utf8")),
        value("not UTF-8 in an ignored field", ignored(b"\xC3\x28"), Dead("not_utf8")),
        value("half a surrogate pair", noted(br"\ud83d"), Dead("lone_surrogate")),
        value(
            "half a surrogate pair in an ignored field",
            ignored(br"\ude00"),
            Dead("lone_surrogate"),
        ),
        value("a raw control byte", noted(b"\x01"), Dead("malformed_json")),
        value(
            "nesting in the data",
            event(&format!(r#"{{"id":1,"x":{}}}"#, nested(126))),
            Dead("too_deep"),
        ),
        value(
            "nesting in an ignored field",
            format!(r#"{{"eventType":"PROBED","data":{{"id":1}},"x":{}}}"#, nested(50_000)),
            Dead("too_deep"),
        ),
        value(
            "eventType twice",
            r#"{"eventType":"PROBED","eventType":"PROBED","data":{"id":1}}"#,
            Dead("duplicate_field"),
        ),
        value(
            "data twice",
            r#"{"eventType":"PROBED","data":{"id":1},"data":{"id":2}}"#,
            Dead("duplicate_field"),
        ),
        value("1e400", event(r#"{"id":1,"amount":1e400}"#), Dead("data_mismatch")),
        value("NaN", event(r#"{"id":1,"amount":NaN}"#), Dead("malformed_json")),
        value("a million digits", event(&format!(r#"{{"id":{digits}}}"#)), Dead("data_mismatch")),
        value("u64::MAX + 1", event(r#"{"id":18446744073709551616}"#), Dead("data_mismatch")),
        value("-1 for a u64", event(r#"{"id":-1}"#), Dead("data_mismatch")),
        value("1.0 for an integer", event(r#"{"id":1.0}"#), Dead("data_mismatch")),
        value("a wrong type", event(r#"{"id":"1"}"#), Dead("data_mismatch")),
        value("a missing field", event(r#"{"ID":1}"#), Dead("data_mismatch")),
        value("data by position", event("[1,2.0,\"x\"]"), Dead("data_mismatch")),
        value("no data", r#"{"eventType":"PROBED"}"#, Dead("data_mismatch")),
        value("no eventType", r#"{"data":{"id":1}}"#, Dead("missing_event_type")),
        value("eventType null", r#"{"eventType":null,"data":{"id":1}}"#, Dead("wrong_field_type")),
        value("eventType a number", r#"{"eventType":1,"data":{"id":1}}"#, Dead("wrong_field_type")),
        value(
            "eventType an object",
            r#"{"eventType":{},"data":{"id":1}}"#,
            Dead("wrong_field_type"),
        ),
        value("EventType", r#"{"EventType":"PROBED","data":{"id":1}}"#, Dead("missing_event_type")),
        value(
            "an eventType of 1 MB",
            format!(r#"{{"eventType":"{}"}}"#, "A".repeat(1_000_000)),
            Dead("event_type_too_long"),
        ),
        value(
            "a higher version",
            r#"{"eventType":"PROBED","version":2,"data":{"id":1}}"#,
            Dead("unsupported_version"),
        ),
        value(
            "a value above the limit",
            event(&format!(r#"{{"id":1,"note":"{}"}}"#, "x".repeat(1 << 20))),
            Dead("value_too_large"),
        ),
    ]
}

fn odd_headers_and_keys() -> Vec<Case> {
    let with_headers = |name, headers: Headers, becomes| Case {
        headers,
        ..value(name, event(r#"{"id":1}"#), becomes)
    };
    let mut many = Headers::new();
    for number in 0..10_000 {
        many.push(format!("h{number}"), "v");
    }
    let mut huge = Headers::new();
    huge.push("huge", vec![b'x'; 300 << 10]);
    let mut odd = Headers::new();
    odd.push(&b"\xFF\xFE"[..], &b"\x80"[..]);
    odd.push_header(event_core::event::Header { name: "null".into(), value: None });
    odd.push("twice", "1");
    odd.push("twice", "2");
    let mut forged = Headers::new();
    forged.push(header::ATTEMPTS, "99");
    forged.push(header::TOPIC, "elsewhere");
    let with_key = |name, key: &[u8]| Case {
        key: Some(Bytes::copy_from_slice(key)),
        ..value(name, event(r#"{"id":1}"#), Handled)
    };
    let at = |name, timestamp_ms| Case {
        timestamp_ms: Some(timestamp_ms),
        ..value(name, event(r#"{"id":1}"#), Handled)
    };
    vec![
        with_headers("10 000 headers", many, Dead("too_many_headers")),
        with_headers("a huge header", huge, Dead("headers_too_large")),
        with_headers("headers that are not UTF-8, null or repeated", odd, Handled),
        with_headers("forged dead-letter headers", forged, Handled),
        with_key("an empty key", b""),
        with_key("a key of 1 MB", &vec![b'k'; 1_000_000]),
        with_key("a key that is not UTF-8", b"\xFF\x00\x80"),
        at("a timestamp of 0", 0),
        at("a timestamp in the far future", i64::MAX / 2),
    ]
}

fn odd_but_sound() -> Vec<Case> {
    let tombstone = Case { value: None, ..value("a tombstone", "", Skipped) };
    vec![
        tombstone,
        value("\\u0000 in a string", event(r#"{"id":1,"note":"\u0000"}"#), Handled),
        value(
            "unknown fields",
            r#"{"eventType":"PROBED","x":[{}],"data":{"id":1,"y":null}}"#,
            Handled,
        ),
        value("eventType in another case", r#"{"eventType":"probed","data":{"id":1}}"#, Skipped),
        value("an unknown eventType", r#"{"eventType":"PROBE_LOST","data":{"id":1}}"#, Skipped),
        value("the deepest nesting", event(&format!(r#"{{"id":1,"x":{}}}"#, nested(125))), Handled),
    ]
}

fn cases() -> Vec<Case> {
    broken_values().into_iter().chain(odd_headers_and_keys()).chain(odd_but_sound()).collect()
}

fn settings() -> Settings {
    Settings::load("bad_input", &SettingsOverrides::default(), []).unwrap()
}

fn subscription(group: &str, topic: TopicName) -> Subscription {
    Subscription {
        group: GroupName::parse(group).unwrap(),
        topics: vec![topic],
        max_in_flight_bytes: 64 << 20,
        drain_deadline: Duration::from_secs(5),
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
    tokio::time::timeout(DEADLINE, reading).await.expect("not everything arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_events_are_handled_and_bad_ones_are_dead_lettered_byte_for_byte() {
    let cluster = EmbeddedBroker::start().unwrap();
    cluster.create_topic(TOPIC.as_str(), PARTITIONS).unwrap();
    cluster.create_topic(DEAD_LETTERS.as_str(), 4).unwrap();
    let (seen, tally) = (Seen::default(), Arc::new(Tally::default()));
    let (stop, stopped) = oneshot::channel::<()>();
    let app = EventApp::from_env("bad_input")
        .unwrap()
        .handlers_from(module_path!())
        .state(seen.clone())
        .observer(tally.clone());
    let running = tokio::spawn(app.run_on(cluster.broker(), settings(), async {
        let _ = stopped.await;
    }));

    let producer = cluster.broker().producer().unwrap();
    let cases = cases();
    let every = GOOD / u64::try_from(cases.len()).unwrap();
    let mut sends = Vec::new();
    let mut bad = cases.iter();
    for id in 0..GOOD {
        // Ids from 1000 on, so that the cases that are handled (id 1) are told apart.
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
        tokio::time::timeout(DEADLINE, tally.wait_until(|counts| counts.settled() >= total));
    let counts = settled.await.unwrap_or_else(|_| panic!("{:?} of {total}", tally.counts()));
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();

    let count = |is: fn(&Becomes) -> bool| {
        u64::try_from(cases.iter().filter(|case| is(&case.becomes)).count()).unwrap()
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
        let Dead(reason) = case.becomes else { continue };
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
