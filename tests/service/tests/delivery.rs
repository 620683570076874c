//! Retries, dead letters, commits and shutdown, on the memory broker with the clock paused.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, BrokerError};
use event_core::delivery::NextOffset;
use event_core::event::TopicName;
use event_core::prelude::*;
use event_core::processor::{DeliveryPolicy, ProcessorError, dead_letter_header as header};
use event_core::testing::{RunningApp, TestApp};
use service_tests::{ClaimAdded, Seen, claim};

const CLAIMS: &str = "role_events";

fn service(module: &str) -> TestApp {
    TestApp::new("admin").handlers_from(format!("{}::{module}", module_path!()))
}

fn text<'a>(record: &'a event_core::broker::memory::StoredRecord, name: &str) -> &'a str {
    record.headers.get_text(name).unwrap_or_else(|| panic!("no header {name}"))
}

async fn publish(app: &RunningApp, ids: std::ops::Range<u64>) {
    for id in ids {
        app.publish(&claim(id)).await;
    }
}

mod notes {
    use super::*;

    #[event_handler]
    async fn note(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        seen.note(event.id);
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_handled_in_order_and_committed_to_the_end() {
    let seen = Seen::default();
    let app = service("notes").state(seen.clone()).start().unwrap();
    publish(&app, 0..500).await;
    app.settle().await;
    assert_eq!(seen.ids(), (0..500).collect::<Vec<_>>());
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(500)));
    assert!(app.dead_letters(CLAIMS).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_clean_restart_repeats_nothing() {
    let seen = Seen::default();
    let mut app = service("notes").state(seen.clone()).start().unwrap();
    publish(&app, 0..100).await;
    app.eventually("some are handled", || !seen.ids().is_empty()).await;
    app.stop().await.unwrap();
    app.restart();
    app.settle().await;
    assert_eq!(seen.ids(), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_handling_and_commit_repeats_but_loses_nothing() {
    let seen = Seen::default();
    let policy =
        DeliveryPolicy { commit_interval: Duration::from_secs(3600), ..Default::default() };
    let mut app = service("notes").state(seen.clone()).policy(policy).start().unwrap();
    publish(&app, 0..10).await;
    app.eventually("all are handled", || seen.ids().len() == 10).await;
    assert_eq!(app.committed(CLAIMS, 0), None);
    app.crash().await;
    app.restart();
    app.settle().await;
    assert_eq!(seen.ids(), (0..10).chain(0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_failed_commit_is_repeated() {
    let seen = Seen::default();
    let app = service("notes").state(seen.clone()).start().unwrap();
    app.broker().fail_commits(3);
    publish(&app, 0..10).await;
    app.settle().await;
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(10)));
}

#[tokio::test(start_paused = true)]
async fn unknown_events_and_tombstones_are_skipped_and_counted() {
    let app = service("notes").state(Seen::default()).start().unwrap();
    app.publish_raw(CLAIMS, None, Some(br#"{"eventType": "claim_added", "data": 1}"#)).await;
    app.publish_raw(CLAIMS, None, Some(br#"{"eventType": "ROLE_RENAMED"}"#)).await;
    app.publish_raw(CLAIMS, Some(b"3"), None).await;
    publish(&app, 0..1).await;
    app.settle().await;
    assert_eq!(app.history().unknown_events(), ["claim_added", "ROLE_RENAMED"]);
    assert_eq!((app.history().counts().skipped, app.history().counts().handled), (3, 1));
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(4)));
}

mod fails_twice {
    use super::*;

    #[event_handler]
    async fn flaky(event: Event<ClaimAdded>, State(seen): State<Seen>) -> Result {
        match seen.note(event.id) {
            1 | 2 if event.id == 1 => Err(Error::msg("the database is away")),
            _ => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_twice_then_works_is_retried_in_place() {
    let seen = Seen::default();
    let app = service("fails_twice").state(seen.clone()).start().unwrap();
    publish(&app, 0..3).await;
    app.settle().await;
    assert_eq!(seen.ids(), [0, 1, 1, 1, 2], "the records behind it wait");
    let attempts: Vec<_> = app.history().handled("CLAIM_ADDED").iter().map(|h| h.attempt).collect();
    assert_eq!(attempts, [1, 3, 1]);
    assert!(app.dead_letters(CLAIMS).is_empty());
    let delays = app.history().delays();
    for (delay, whole) in delays.iter().zip([200, 400]) {
        assert!((whole / 2..=whole).contains(&delay.as_millis()), "{delay:?} for {whole} ms");
    }
    assert_eq!(delays.len(), 2);
}

mod always_fails {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot store the claim")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[event_handler]
    async fn broken(event: Event<ClaimAdded>, State(seen): State<Seen>) -> Result<(), Outer> {
        seen.note(event.id);
        if event.id == 1 { Err(Outer("x".parse::<i32>().unwrap_err())) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_always_fails_dead_letters_after_its_attempts() {
    let seen = Seen::default();
    let app = service("always_fails").state(seen.clone()).start().unwrap();
    publish(&app, 0..3).await;
    app.settle().await;
    assert_eq!(seen.ids(), [0, 1, 1, 1, 1, 1, 2]);
    let dead_letters = app.dead_letters(CLAIMS);
    assert_eq!(dead_letters.len(), 1);
    let letter = &dead_letters[0];
    let original = &app.records(CLAIMS)[1];
    assert_eq!((&letter.key, &letter.value), (&original.key, &original.value));
    for (name, value) in [
        (header::TOPIC, "role_events"),
        (header::PARTITION, "0"),
        (header::OFFSET, "1"),
        (header::TIMESTAMP, original.timestamp_ms.to_string().as_str()),
        (header::GROUP, "admin"),
        (header::ID, "admin:role_events/0@1"),
        (header::HANDLER, "always_fails::broken"),
        (header::ATTEMPTS, "5"),
        (header::REASON, "attempts_exhausted"),
        (header::ERROR, "cannot store the claim: invalid digit found in string"),
        (header::SERVICE, "admin"),
        (header::SERVICE_VERSION, "test"),
    ] {
        assert_eq!(text(letter, name), value, "{name}");
    }
    assert!(text(letter, header::FIRST_FAILURE) <= text(letter, header::LAST_FAILURE));
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(3)));
}

mod gives_up {
    use super::*;

    #[event_handler]
    async fn picky(event: Event<ClaimAdded>, State(seen): State<Seen>) -> Result {
        seen.note(event.id);
        Err(Error::msg("no such role").dead_letter())
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_the_originals_headers_and_cannot_be_forged() {
    let app = service("gives_up").state(Seen::default()).start().unwrap();
    let mut headers = event_core::event::Headers::new();
    headers.push(&b"\xFF"[..], &b"\x80"[..]);
    headers.push_header(event_core::event::Header { name: "null".into(), value: None });
    headers.push("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    headers.push(header::TOPIC, "forged");
    headers.push(header::ATTEMPTS, "99");
    let original = event_core::broker::OutgoingRecord {
        topic: TopicName::from_static(CLAIMS),
        partition: None,
        key: Some(bytes::Bytes::new()),
        value: Some(r#"{"eventType":"CLAIM_ADDED","data":{"id":1,"roleId":3}}"#.into()),
        headers: headers.clone(),
        timestamp_ms: Some(-1),
    };
    app.publish_record(original.clone()).await;
    app.settle().await;
    let letter = &app.dead_letters(CLAIMS)[0];
    assert_eq!((&letter.key, &letter.value), (&original.key, &original.value));
    let own: Vec<_> = letter.headers.iter().take(headers.len()).cloned().collect();
    assert_eq!(own, headers.iter().cloned().collect::<Vec<_>>(), "in their order, byte for byte");
    assert_eq!(text(letter, header::TOPIC), "role_events");
    assert_eq!(text(letter, header::ATTEMPTS), "1");
    assert_eq!(text(letter, header::TIMESTAMP), "-1");
    assert_eq!(text(letter, header::TRACE_ID), "0af7651916cd43dd8448eb211c80319c");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_no_retry_can_mend_is_dead_lettered_at_once() {
    let seen = Seen::default();
    let app = service("gives_up").state(seen.clone()).start().unwrap();
    publish(&app, 0..1).await;
    app.settle().await;
    assert_eq!(seen.ids(), [0]);
    assert_eq!(text(&app.dead_letters(CLAIMS)[0], header::REASON), "refused_by_handler");
}

mod panics {
    use super::*;

    #[event_handler]
    async fn explodes(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        let times = seen.note(event.id);
        assert!(event.id != 1, "boom number {times}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_not_a_crash() {
    let seen = Seen::default();
    let app = service("panics").state(seen.clone()).start().unwrap();
    publish(&app, 0..3).await;
    app.settle().await;
    assert_eq!(seen.ids(), [0, 1, 1, 1, 1, 1, 2]);
    let dead_letters = app.dead_letters(CLAIMS);
    assert_eq!(text(&dead_letters[0], header::ERROR), "the handler panicked: boom number 5");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_topic_that_cannot_be_written_stops_its_partition_and_nothing_is_skipped() {
    let seen = Seen::default();
    let app = service("always_fails").state(seen.clone()).start().unwrap();
    let dlq = TopicName::from_static("role_events_dlq");
    app.broker()
        .refuse_writes(&dlq, Some(BrokerError::Unauthorised("write to role_events_dlq".into())));
    publish(&app, 0..3).await;
    app.eventually("the service says that it is unhealthy", || !app.health().is_healthy()).await;
    let problem = format!("{:?}", app.health().problems());
    assert!(problem.contains("role_events_dlq") && problem.contains("not authorised"), "{problem}");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(seen.ids(), [0, 1, 1, 1, 1, 1], "nothing behind it was touched");
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(1)));

    app.broker().refuse_writes(&dlq, None);
    app.settle().await;
    assert_eq!(seen.ids(), [0, 1, 1, 1, 1, 1, 2]);
    assert_eq!(app.dead_letters(CLAIMS).len(), 1);
    assert!(app.health().is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_over_the_topics_limit_leaves_out_as_much_as_it_must() {
    let app = service("gives_up").state(Seen::default()).start().unwrap();
    app.broker().limit_record_bytes(&TopicName::from_static("role_events_dlq"), 1000);
    let send = async |key: usize, header: usize, note: usize| {
        let value = format!(
            r#"{{"eventType":"CLAIM_ADDED","data":{{"id":1,"roleId":3}},"note":"{}"}}"#,
            "n".repeat(note)
        );
        let mut headers = event_core::event::Headers::new();
        headers.push("own", vec![b'h'; header]);
        app.publish_record(event_core::broker::OutgoingRecord {
            topic: TopicName::from_static(CLAIMS),
            partition: None,
            key: Some(vec![b'k'; key].into()),
            value: Some(value.into()),
            headers,
            timestamp_ms: None,
        })
        .await;
    };
    for (key, header, note) in [(1, 1, 1), (1, 1, 2000), (1, 2000, 2000), (2000, 2000, 2000)] {
        send(key, header, note).await;
    }
    app.settle().await;
    let left = app.dead_letters(CLAIMS).into_iter().map(|letter| {
        let own = letter.headers.get("own").is_some();
        assert!(letter.headers.get_text(header::REASON).is_some(), "{letter:?}");
        (letter.key.is_some(), own, letter.value.is_some())
    });
    assert_eq!(
        left.collect::<Vec<_>>(),
        [(true, true, true), (true, true, false), (true, false, false), (false, false, false)]
    );
    let last = &app.dead_letters(CLAIMS)[3];
    assert_eq!(text(last, header::VALUE_BYTES_LEFT_OUT), "2064");
    assert_eq!(text(last, header::HEADERS_LEFT_OUT), "1");
    assert_eq!(text(last, header::KEY_BYTES_LEFT_OUT), "2000");
}

mod slow {
    use super::*;

    #[event_handler]
    async fn slow(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        tokio::time::sleep(Duration::from_secs(event.id)).await;
        seen.note(event.id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_the_record_in_hand_and_commits_it() {
    let seen = Seen::default();
    let mut app = service("slow").state(seen.clone()).start().unwrap();
    app.publish(&claim(10)).await;
    app.publish(&claim(11)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    app.stop().await.unwrap();
    assert_eq!(seen.ids(), [10]);
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(1)));
    app.restart();
    app.settle().await;
    assert_eq!(seen.ids(), [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_outlasts_the_drain_deadline_is_delivered_again() {
    let seen = Seen::default();
    let mut app = service("slow").state(seen.clone()).start().unwrap();
    app.publish(&claim(0)).await;
    app.publish(&claim(1_000_000)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let error = app.stop().await.unwrap_err();
    assert!(matches!(error, ProcessorError::DrainDeadline { partitions: 1, .. }), "{error}");
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(1)), "what was settled is committed");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_further_attempts() {
    let seen = Seen::default();
    let mut app = service("always_fails").state(seen.clone()).start().unwrap();
    publish(&app, 1..2).await;
    app.eventually("it is tried twice", || seen.ids().len() == 2).await;
    let before = tokio::time::Instant::now();
    app.stop().await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(1), "{:?}", before.elapsed());
    assert_eq!(app.committed(CLAIMS, 0), None);
    assert!(app.dead_letters(CLAIMS).is_empty());
    app.restart();
    app.settle().await;
    assert_eq!(app.dead_letters(CLAIMS).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn partitions_go_side_by_side() {
    let seen = Seen::default();
    let app = service("slow").partitions(2).state(seen.clone()).start().unwrap();
    let send = async |partition, id| {
        let value = format!(r#"{{"eventType":"CLAIM_ADDED","data":{{"id":{id},"roleId":3}}}}"#);
        app.publish_record(event_core::broker::OutgoingRecord {
            topic: TopicName::from_static(CLAIMS),
            partition: Some(partition),
            key: None,
            value: Some(value.into()),
            headers: Default::default(),
            timestamp_ms: None,
        })
        .await;
    };
    send(0, 100).await;
    for id in 0..5 {
        send(1, id).await;
    }
    app.settle().await;
    assert_eq!(seen.ids(), [0, 1, 2, 3, 4, 100]);
}

#[tokio::test(start_paused = true)]
async fn a_second_member_takes_over_without_loss_or_repetition() {
    let (broker, seen) = (MemoryBroker::new(), Seen::default());
    let start =
        || service("notes").partitions(4).broker(&broker).state(seen.clone()).start().unwrap();
    let first = start();
    publish_over_partitions(&first, 0..200).await;
    let mut second = start();
    publish_over_partitions(&first, 200..400).await;
    first.settle().await;
    second.stop().await.unwrap();
    publish_over_partitions(&first, 400..600).await;
    first.settle().await;
    assert!(second.history().counts().handled > 0, "the second member did something");
    let mut ids = seen.ids();
    ids.sort_unstable();
    assert_eq!(ids, (0..600).collect::<Vec<_>>());
}

async fn publish_over_partitions(app: &RunningApp, ids: std::ops::Range<u64>) {
    for id in ids {
        app.publish(&ClaimAdded { id, role_id: i64::try_from(id % 16).unwrap() }).await;
    }
}

mod envelope {
    use super::*;
    use event_core::event::EventId;

    #[event_handler]
    async fn look(
        event: Event<ClaimAdded>,
        raw: RawEvent,
        position: Position,
        State(seen): State<Seen>,
    ) -> Result {
        assert_eq!(event.user_id(), Some(&UserId::from("ñ")));
        assert_eq!(event.event_id(), Some(&EventId::new("e1")));
        assert_eq!(event.occurred_at().unwrap().to_string(), "2024-05-01T10:00:00Z");
        assert_eq!(event.extra("trace").unwrap().get(), "[1]");
        assert_eq!(raw.position, position);
        assert_eq!(raw.key.as_deref(), Some(&b""[..]));
        assert!(raw.value.unwrap().starts_with(b"{\"data\""));
        seen.note(event.id);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_the_whole_envelope() {
    let seen = Seen::default();
    let app = service("envelope").state(seen.clone()).start().unwrap();
    let value = br#"{"data":{"roleId":3,"id":7},"trace":[1],"userId":"\u00f1","eventId":"e1","occurredAt":"2024-05-01T10:00:00Z","eventType":"CLAIM_ADDED"}"#;
    app.publish_raw(CLAIMS, Some(b""), Some(value)).await;
    app.settle().await;
    assert_eq!(seen.ids(), [7], "{:?}", app.dead_letters(CLAIMS));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_nobody_provides_is_refused_at_start() {
    let report = service("notes").start().err().unwrap().to_string();
    assert!(report.starts_with("cannot start: 1 problem"), "{report}");
    assert!(report.contains("needs State<Seen>, which was never provided"), "{report}");
}

struct BrokenListener;

impl event_core::observe::Observer for BrokenListener {
    fn observe(&self, observation: &event_core::observe::Observation<'_>) {
        assert!(
            !matches!(observation, event_core::observe::Observation::Handled { .. }),
            "a listener that panics"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_whose_engine_panics_ends_the_service_instead_of_standing_still() {
    let broker = MemoryBroker::new();
    for topic in ["role_events", "role_events_dlq"] {
        broker.create_topic(&TopicName::from_static(topic), 1);
    }
    let producer = event_core::EventProducer::new(broker.producer().unwrap());
    producer.send(&claim(1)).await.unwrap();
    let app = EventApp::from_env("admin")
        .unwrap()
        .handlers_from(format!("{}::notes", module_path!()))
        .state(Seen::default())
        .observer(std::sync::Arc::new(BrokenListener));
    let settings = Settings::load("admin", &SettingsOverrides::default(), []).unwrap();
    let error = app.run_on(broker, settings, std::future::pending()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the engine failed on partition role_events/0; see the log for the panic"
    );
}

mod borrowing {
    use std::borrow::Cow;

    use super::*;

    #[derive(Event, serde::Deserialize)]
    #[event(topic = "note_events", name = "NOTE_TAKEN")]
    pub(super) struct NoteTaken<'a> {
        #[serde(borrow)]
        text: Cow<'a, str>,
    }

    #[event_handler]
    async fn note(event: Event<NoteTaken<'_>>, State(seen): State<Seen>) {
        // 1 for text that still lies in the record, 2 for text that had to be unescaped.
        let copied = matches!(event.text, Cow::Owned(_));
        seen.note(if copied { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_may_borrow_from_the_record() {
    let seen = Seen::default();
    let app = service("borrowing").state(seen.clone()).start().unwrap();
    for text in ["plain", r"\u00f1"] {
        let value = format!(r#"{{"eventType":"NOTE_TAKEN","data":{{"text":"{text}"}}}}"#);
        app.publish_raw("note_events", None, Some(value.as_bytes())).await;
    }
    app.settle().await;
    assert_eq!(seen.ids(), [1, 2]);
}

mod blocks_its_thread {
    use std::sync::mpsc::{Receiver, Sender};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Both ends of a call that does not return before it is told to.
    #[derive(Clone)]
    pub(super) struct Call {
        pub(super) entered: Sender<()>,
        pub(super) leave: Arc<Mutex<Receiver<()>>>,
    }

    #[event_handler]
    async fn stuck(_event: Event<ClaimAdded>, State(call): State<Call>) {
        call.entered.send(()).unwrap();
        call.leave.lock().unwrap().recv().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_cannot_hold_a_shutdown() {
    let broker = MemoryBroker::new();
    for topic in ["role_events", "role_events_dlq"] {
        broker.create_topic(&TopicName::from_static(topic), 1);
    }
    let producer = event_core::EventProducer::new(broker.producer().unwrap());
    producer.send(&claim(1)).await.unwrap();
    let (entered, has_entered) = std::sync::mpsc::channel();
    let (may_leave, leave) = std::sync::mpsc::channel();
    let leave = std::sync::Arc::new(std::sync::Mutex::new(leave));
    let app = EventApp::from_env("admin")
        .unwrap()
        .handlers_from(format!("{}::blocks_its_thread", module_path!()))
        .state(blocks_its_thread::Call { entered, leave });
    let variables = [("EVENT_DRAIN".into(), "1s".into())];
    let settings = Settings::load("admin", &SettingsOverrides::default(), variables).unwrap();
    let shutdown = async move {
        tokio::task::spawn_blocking(move || has_entered.recv()).await.unwrap().unwrap();
    };
    let running = app.run_on(broker.clone(), settings, shutdown);
    let ended = tokio::time::timeout(Duration::from_secs(30), running).await;
    let error = ended.expect("the service hung").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("1 partition still had records in hand after 1s"), "{text}");
    assert!(text.contains("`blocks_its_thread::stuck` has had role_events/0@0 for 1"), "{text}");
    may_leave.send(()).unwrap();
    let group = event_core::event::GroupName::parse("admin").unwrap();
    let partition = event_core::delivery::TopicPartition {
        topic: TopicName::from_static("role_events"),
        partition: 0,
    };
    assert_eq!(broker.committed(&group, &partition), None);
}
