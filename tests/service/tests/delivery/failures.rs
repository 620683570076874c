//! What becomes of a record whose handler fails: retries and dead letters.

use super::*;
use event_core::observe::{Observation, Observer};

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
    let app = service("failures::fails_twice").state(seen.clone()).start().unwrap();
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
    let app = service("failures::always_fails").state(seen.clone()).start().unwrap();
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
        (header::HANDLER, "failures::always_fails::broken"),
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
    let app = service("failures::gives_up").state(Seen::default()).start().unwrap();
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
    let app = service("failures::gives_up").state(seen.clone()).start().unwrap();
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
    let app = service("failures::panics").state(seen.clone()).start().unwrap();
    publish(&app, 0..3).await;
    app.settle().await;
    assert_eq!(seen.ids(), [0, 1, 1, 1, 1, 1, 2]);
    let dead_letters = app.dead_letters(CLAIMS);
    assert_eq!(text(&dead_letters[0], header::ERROR), "the handler panicked: boom number 5");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_topic_that_cannot_be_written_stops_its_partition_and_nothing_is_skipped() {
    let seen = Seen::default();
    let app = service("failures::always_fails").state(seen.clone()).start().unwrap();
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
    let app = service("failures::gives_up").state(Seen::default()).start().unwrap();
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

mod stays_unavailable {
    use super::*;

    #[event_handler]
    async fn asks(_: Event<ClaimAdded>) -> Result {
        Err(Error::msg("down").unavailable())
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "never settled; wait for what the test is about with `eventually(..)`")]
async fn waiting_for_what_stays_unavailable_says_what_to_wait_for() {
    let app = service("failures::stays_unavailable").start().unwrap();
    publish(&app, 0..1).await;
    app.settle().await;
}

/// The event and the handler of each dead letter.
#[derive(Clone, Default)]
struct Letters(std::sync::Arc<std::sync::Mutex<Vec<(String, String)>>>);

impl Observer for Letters {
    fn observe(&self, observation: &Observation<'_>) {
        if let Observation::DeadLettered { event, handler, .. } = observation {
            let [event, handler] = [event, handler].map(|text| text.unwrap_or("-").to_owned());
            self.0.lock().unwrap().push((event, handler));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_reported_with_event_and_handler() {
    let letters = Letters::default();
    let app = service("failures::always_fails").state(Seen::default()).observer(letters.clone());
    let app = app.start().unwrap();
    publish(&app, 1..2).await;
    app.publish_raw(CLAIMS, None, Some(b"{")).await;
    app.settle().await;
    let reported = letters.0.lock().unwrap().clone();
    let reported: Vec<_> = reported.iter().map(|(event, handler)| (&**event, &**handler)).collect();
    let id = "failures::always_fails::broken";
    assert_eq!(reported, [("CLAIM_ADDED", id), ("-", "-")]);
}
