//! Records that wait in a topic before they are retried.

use super::*;
use event_core::processor::{dead_letter_header, retry_header};

mod two_delays {
    use super::*;

    #[event_handler(order = none, retry(attempts = 2, backoff = "1s..1s", topics = ["1m", "10m"]))]
    async fn record(
        event: Event<ClaimAdded>,
        attempt: Attempt,
        position: Position,
        State(log): State<Log>,
    ) -> Result {
        log.note(event.id);
        assert_eq!(position.topic, "role_events", "a handler sees where the record was first");
        match event.id {
            0 if attempt.number < 4 => Err(Error::msg("not yet")),
            1 => Err(Error::msg("never")),
            _ => Ok(()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_waits_its_time_and_frees_its_place() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        let begun = Instant::now();
        publish(&app, 0..3, 1).await;
        app.eventually("the last", || log.count(2) == 1).await;
        assert!(begun.elapsed() < 2 * SECOND, "what fails holds nothing up");
        app.settle().await;
        let of_first: Vec<_> =
            log.0.lock().unwrap().iter().filter(|(_, id)| *id == 0).copied().collect();
        let waits: Vec<_> =
            of_first.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect();
        assert!((60..=61).contains(&waits[1]) && (600..=601).contains(&waits[2]), "{waits:?}");
        assert_eq!(app.records("role_events_retry_1m").len(), 2);
        assert_eq!(app.records("role_events_retry_10m").len(), 2);
        let letters = app.dead_letters(CLAIMS);
        assert_eq!(letters.len(), 1);
        let text = |name| letters[0].headers.get_text(name).unwrap();
        assert_eq!(text(dead_letter_header::ID), "admin:role_events/0@1");
        assert_eq!(text(dead_letter_header::ATTEMPTS), "4");
        assert_eq!(text(dead_letter_header::ERROR), "never");
        assert!(text(dead_letter_header::FIRST_FAILURE) < text(dead_letter_header::LAST_FAILURE));
        let ours = letters[0].headers.iter().filter(|h| h.name.starts_with(b"retry."));
        assert_eq!(ours.count(), 0, "a dead letter has the headers that the original had");
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_does_not_make_it_early() {
        let log = Log::default();
        let mut app = service(module_path!()).state(log.clone()).start().unwrap();
        publish(&app, 0..1, 1).await;
        app.eventually("it waits", || !app.records("role_events_retry_1m").is_empty()).await;
        let waits_since = Instant::now();
        for _ in 0..5 {
            tokio::time::sleep(5 * SECOND).await;
            app.crash().await;
            app.restart();
        }
        app.eventually("the next attempt", || log.count(0) == 3).await;
        let waited = waits_since.elapsed();
        assert!(
            waited >= 60 * SECOND - Duration::from_millis(2) && waited < 62 * SECOND,
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_retry_topic_holds_is_written_in_its_headers() {
        let app = service(module_path!()).state(Log::default()).start().unwrap();
        let mut own = Headers::new();
        own.push("mine", "kept");
        own.push(retry_header::HANDLER, "forged");
        let record = OutgoingRecord {
            topic: TopicName::from_static(CLAIMS),
            partition: None,
            key: Some("7".into()),
            value: Some(r#"{"eventType":"CLAIM_ADDED","data":{"id":1,"roleId":3}}"#.into()),
            headers: own,
            timestamp_ms: Some(77),
        };
        app.publish_record(record.clone()).await;
        app.settle().await;
        let waiting = &app.records("role_events_retry_10m")[0];
        assert_eq!((&waiting.key, &waiting.value), (&record.key, &record.value));
        for (name, value) in [
            ("mine", "kept"),
            (retry_header::TOPIC, "role_events"),
            (retry_header::PARTITION, "0"),
            (retry_header::OFFSET, "0"),
            (retry_header::TIMESTAMP, "77"),
            (retry_header::GROUP, "admin"),
            (retry_header::HANDLER, "retry_topics::two_delays::record"),
            (retry_header::ATTEMPTS, "3"),
            (retry_header::ERROR, "never"),
        ] {
            assert_eq!(waiting.headers.get_text(name), Some(value), "{name}");
        }
        let due: i64 = waiting.headers.get_text(retry_header::DUE).unwrap().parse().unwrap();
        assert!(due > 0);
        assert_eq!(waiting.headers.len(), 2 + 10, "once each, however often it comes round");
        let letter = &app.dead_letters(CLAIMS)[0];
        let forged = letter.headers.get_text(retry_header::HANDLER);
        assert_eq!(forged, Some("forged"), "what was there before is kept");
    }
}

mod redriven {
    use super::*;

    #[event_handler]
    async fn record(event: Event<ClaimAdded>, attempt: Attempt, State(log): State<Log>) {
        log.note(event.id * 100 + u64::from(attempt.number));
    }

    #[event_handler(group = "other")]
    async fn other(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
    }

    pub(super) async fn redrive(app: &RunningApp, group: &str, handler: &str, offset: &str) {
        let value = r#"{"eventType":"CLAIM_ADDED","data":{"id":9,"roleId":3}}"#;
        let record = super::super::redriven(group, handler, offset, "5", value);
        app.publish_record(record).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_redriven_record_goes_to_its_handler_and_to_no_other() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        redrive(&app, "admin", "retry_topics::redriven::record", "4").await;
        redrive(&app, "stranger", "retry_topics::redriven::record", "4").await;
        app.settle().await;
        assert_eq!(log.ids(), [906], "the sixth attempt");
        assert_eq!(app.history().handled("CLAIM_ADDED")[0].offset.0, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_given_to_a_handler_is_a_dead_letter() {
        let app = service(module_path!()).state(Log::default()).start().unwrap();
        redrive(&app, "admin", "gone", "4").await;
        redrive(&app, "admin", "retry_topics::redriven::record", "four").await;
        app.settle().await;
        let reasons: Vec<_> = app
            .dead_letters(CLAIMS)
            .iter()
            .map(|l| l.headers.get_text(dead_letter_header::REASON).unwrap().to_owned())
            .collect();
        assert_eq!(reasons, ["unknown_handler", "malformed_retry_headers"]);
    }
}

mod own_headers {
    use super::*;

    #[event_handler(order = none, retry(attempts = 1, topics = ["1s"]))]
    async fn record(_event: Event<ClaimAdded>) -> Result {
        Err(Error::msg("never"))
    }

    fn own() -> Headers {
        let mut own = Headers::new();
        for name in [
            retry_header::TOPIC,
            retry_header::DUE,
            retry_header::FIRST_FAILURE,
            retry_header::REDRIVE_ID,
            dead_letter_header::TOPIC,
            dead_letter_header::HEADERS_LEFT_OUT,
            dead_letter_header::REDRIVE_ID,
        ] {
            own.push(name, "4102444800000");
        }
        own
    }

    async fn publish_to(app: &RunningApp, topic: &'static str, headers: Headers) {
        let record = OutgoingRecord {
            topic: TopicName::from_static(topic),
            partition: None,
            key: None,
            value: Some(r#"{"eventType":"CLAIM_ADDED","data":{"id":9,"roleId":3}}"#.into()),
            headers,
            timestamp_ms: Some(77),
        };
        app.publish_record(record).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_record_says_of_itself_stays_and_is_not_believed() {
        let app = service(module_path!()).start().unwrap();
        publish_to(&app, CLAIMS, own()).await;
        app.settle().await;
        let letter = &app.dead_letters(CLAIMS)[0];
        assert_eq!(letter.headers.iter().take(own().len()).cloned().collect::<Headers>(), own());
        let ids = letter.headers.iter().filter(|h| h.name == dead_letter_header::REDRIVE_ID);
        assert_eq!(ids.count(), 1, "only the original's own: nobody had it redriven");
        let first_failure = letter.headers.get_text(dead_letter_header::FIRST_FAILURE);
        assert_ne!(first_failure, Some("4102444800000"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_redrive_is_remembered_through_a_retry_topic() {
        let app = service(module_path!()).start().unwrap();
        let mut headers = own();
        for (name, value) in [
            (retry_header::TOPIC, CLAIMS),
            (retry_header::PARTITION, "0"),
            (retry_header::OFFSET, "4"),
            (retry_header::TIMESTAMP, "77"),
            (retry_header::GROUP, "admin"),
            (retry_header::HANDLER, "retry_topics::own_headers::record"),
            (retry_header::ATTEMPTS, "1"),
            (retry_header::REDRIVE_ID, "r1"),
        ] {
            headers.push(name, value);
        }
        publish_to(&app, "role_events_redrive", headers).await;
        app.settle().await;
        assert_eq!(app.records("role_events_retry_1s").len(), 1);
        let letter = &app.dead_letters(CLAIMS)[0];
        assert_eq!(letter.headers.get_text(dead_letter_header::REDRIVE_ID), Some("r1"));
        assert_eq!(letter.headers.iter().take(own().len()).cloned().collect::<Headers>(), own());
        let retry = letter.headers.iter().filter(|h| h.name.starts_with(b"retry."));
        assert_eq!(retry.count(), 4, "only the original's own");
    }

    #[tokio::test(start_paused = true)]
    async fn headers_are_left_out_before_the_key_whatever_they_are_called() {
        let app = service(module_path!()).start().unwrap();
        app.broker().limit_record_bytes(&TopicName::from_static("role_events_dlq"), 1000);
        let mut headers = own();
        headers.push("padding", vec![b'x'; 2000]);
        publish_to(&app, CLAIMS, headers).await;
        app.settle().await;
        let letter = &app.dead_letters(CLAIMS)[0];
        assert_eq!(letter.headers.get_text(dead_letter_header::HEADERS_LEFT_OUT), Some("8"));
        assert!(letter.headers.get("padding").is_none());
    }
}

mod counted {
    use super::*;

    #[derive(Clone, Default)]
    struct Saw(Arc<Mutex<Vec<(Instant, Attempt)>>>);

    #[event_handler(
        order = none,
        retry(attempts = 3, backoff = "1s..1m", jitter = none, topics = ["10m", "20m"])
    )]
    async fn record(_: Event<ClaimAdded>, attempt: Attempt, State(Saw(saw)): State<Saw>) -> Result {
        saw.lock().unwrap().push((Instant::now(), attempt));
        Err(Error::msg("never"))
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_and_delays_are_counted_anew_after_a_redrive() {
        let saw = Saw::default();
        let app = service(module_path!()).state(saw.clone()).start().unwrap();
        // It was tried 5 times before.
        redriven::redrive(&app, "admin", "retry_topics::counted::record", "4").await;
        app.settle().await;
        let saw = saw.0.lock().unwrap().clone();
        let reported: Vec<_> = saw.iter().map(|(_, a)| (a.number, a.limit, a.is_last())).collect();
        let expected =
            [(6, 10, false), (7, 10, false), (8, 10, false), (9, 10, false), (10, 10, true)];
        assert_eq!(reported, expected);
        let waits: Vec<_> =
            saw.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64().round()).collect();
        assert_eq!(waits, [1.0, 2.0, 600.0, 1200.0]);
    }
}
