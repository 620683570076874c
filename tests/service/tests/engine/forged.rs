//! What records say of themselves that only the engine may say.

use super::*;
use event_core::event::GroupName;
use event_core::operations::dead_letters::{DeadLetterFilter, RedriveTargets, Resolver, list};
use event_core::processor::{dead_letter_header, retry_header};
use event_core::registry::Registry;

const YEAR_2100: &str = "4102444800000";

fn record(topic: &'static str, id: u64, headers: Headers) -> OutgoingRecord {
    let value = format!(r#"{{"eventType":"CLAIM_ADDED","data":{{"id":{id},"roleId":3}}}}"#);
    OutgoingRecord {
        topic: TopicName::from_static(topic),
        partition: None,
        key: None,
        value: Some(value.into()),
        headers,
        timestamp_ms: Some(77),
    }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> Headers {
    let mut headers = Headers::new();
    pairs.iter().for_each(|(name, value)| headers.push(*name, *value));
    headers
}

mod due {
    use super::*;

    #[event_handler(id = "due", order = none, retry(attempts = 1, topics = ["1m"]))]
    async fn handle(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
    }

    fn due_at(id: u64, due: &'static str) -> OutgoingRecord {
        let headers = headers(&[
            (retry_header::TOPIC, CLAIMS),
            (retry_header::PARTITION, "0"),
            (retry_header::OFFSET, "0"),
            (retry_header::TIMESTAMP, "0"),
            (retry_header::GROUP, "admin"),
            (retry_header::HANDLER, "due"),
            (retry_header::ATTEMPTS, "1"),
            (retry_header::DUE, due),
        ]);
        record("role_events_retry_1m", id, headers)
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_holds_its_retry_topic_up_no_longer_than_the_topic_says() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        let begun = Instant::now();
        app.publish_record(due_at(0, YEAR_2100)).await;
        app.publish_record(due_at(1, "0")).await;
        app.publish_record(due_at(2, "9223372036854775807")).await;
        app.publish_record(due_at(3, "-9223372036854775808")).await;
        app.settle().await;
        let waited: Vec<_> = log.times().iter().map(|at| (*at - begun).as_millis() / 100).collect();
        assert_eq!((log.ids(), waited), (vec![0, 1, 2, 3], vec![600, 600, 1200, 1200]));
    }
}

mod redriven {
    use super::*;

    /// What a handler saw: where the record was, which attempt it was, and when.
    #[derive(Clone, Default)]
    struct Saw(Arc<Mutex<Vec<(i64, u32, Instant)>>>);

    #[event_handler(id = "fails-twice", order = none, retry(attempts = 1, topics = ["1m"]))]
    async fn handle(
        event: Event<ClaimAdded>,
        position: Position,
        attempt: Attempt,
        State(saw): State<Saw>,
    ) -> Result {
        if event.id == 0 {
            return Ok(());
        }
        let mut saw = saw.0.lock().unwrap();
        saw.push((position.offset.0, attempt.number, Instant::now()));
        if saw.len() < 3 { Err(Error::msg("broken")) } else { Ok(()) }
    }

    async fn redrive(app: &RunningApp) {
        let letters = [TopicName::from_static("role_events_dlq")];
        let letters = list(app.broker(), &letters, &DeadLetterFilter::default()).await.unwrap();
        let registry = Registry::linked().only_modules(&[module_path!().to_owned()]);
        let group = GroupName::parse("admin").unwrap();
        let targets = RedriveTargets::new(registry.handlers(), &group);
        let resolver = Resolver::new(app.broker(), None, Shutdown::never()).unwrap();
        let resolved = resolver.redrive(&letters.letters, &targets, |_| ()).await.unwrap();
        assert_eq!((resolved.done, resolved.skipped.len()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_original_says_of_retries_is_not_believed_after_a_redrive_either() {
        let own = headers(&[
            (retry_header::TOPIC, CLAIMS),
            (retry_header::PARTITION, "0"),
            (retry_header::OFFSET, "4711"),
            (retry_header::TIMESTAMP, "4711"),
            (retry_header::GROUP, "stranger"),
            (retry_header::HANDLER, "stranger"),
            (retry_header::ATTEMPTS, "4711"),
            (retry_header::DUE, YEAR_2100),
            (retry_header::ERROR, "forged"),
            (retry_header::FIRST_FAILURE, "2100-01-01T00:00:00Z"),
            (retry_header::REDRIVE_ID, "forged"),
        ]);
        let saw = Saw::default();
        let app = service(module_path!()).state(saw.clone()).start().unwrap();
        app.publish_record(record(CLAIMS, 0, Headers::new())).await;
        app.publish_record(record(CLAIMS, 1, own.clone())).await;
        app.settle().await;
        let letter = &app.dead_letters(CLAIMS)[0];
        assert_eq!(letter.headers.get_text(dead_letter_header::OFFSET), Some("1"));
        assert_eq!(letter.headers.get_text(dead_letter_header::ATTEMPTS), Some("2"));
        tokio::time::sleep(3600 * SECOND).await;
        let redriven = Instant::now();
        redrive(&app).await;
        app.settle().await;
        let saw = saw.0.lock().unwrap();
        let places: Vec<_> = saw.iter().map(|(offset, attempt, _)| (*offset, *attempt)).collect();
        assert_eq!(places, [(1, 1), (1, 2), (1, 3)], "where it was first");
        let minute = saw[1].2 - saw[0].2;
        assert!((60..62).contains(&minute.as_secs()), "what its retry topic says: {minute:?}");
        assert!(saw[2].2 - redriven < SECOND, "at once: {:?}", saw[2].2 - redriven);
        let sent = &app.records("role_events_redrive")[0];
        assert_eq!(sent.headers.iter().take(own.len()).cloned().collect::<Headers>(), own);
    }
}

mod letters {
    use super::*;

    #[event_handler(id = "never", order = none, retry(attempts = 1, topics = ["1m"]))]
    async fn never(_event: Event<ClaimAdded>) -> Result {
        Err(Error::msg("never"))
    }

    fn limited(topics: &[&'static str]) -> RunningApp {
        let app = service(module_path!()).start().unwrap();
        for topic in topics {
            app.broker().limit_record_bytes(&TopicName::from_static(topic), 10_000);
        }
        app
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_are_too_large_are_left_out_although_they_say_that_they_are() {
        let app = limited(&["role_events_dlq"]);
        let mut headers = headers(&[
            (dead_letter_header::TOPIC, "forged"),
            (dead_letter_header::HEADERS_LEFT_OUT, "0"),
            (dead_letter_header::VALUE_BYTES_LEFT_OUT, "0"),
            (dead_letter_header::KEY_BYTES_LEFT_OUT, "0"),
        ]);
        headers.push("padding", "x".repeat(20_000));
        let junk = OutgoingRecord { value: Some("junk".into()), ..record(CLAIMS, 0, headers) };
        app.publish_record(OutgoingRecord { key: Some("k".into()), ..junk }).await;
        let begun = Instant::now();
        app.settle().await;
        assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
        assert!(app.health().is_healthy());
        let letters = app.dead_letters(CLAIMS);
        let text = |name| letters[0].headers.get_text(name);
        assert_eq!(text(dead_letter_header::TOPIC), Some(CLAIMS));
        assert_eq!(text(dead_letter_header::HEADERS_LEFT_OUT), Some("5"));
        assert_eq!(text(dead_letter_header::VALUE_BYTES_LEFT_OUT), Some("4"));
        assert_eq!(text(dead_letter_header::KEY_BYTES_LEFT_OUT), None, "it had room");
        assert_eq!(letters[0].key.as_deref(), Some(&b"k"[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_its_retry_topic_does_not_take_is_a_dead_letter() {
        let app = limited(&[CLAIMS, "role_events_retry_1m", "role_events_dlq"]);
        let padding = "x".repeat(9_900);
        let value = format!(
            r#"{{"eventType":"CLAIM_ADDED","data":{{"id":1,"roleId":3}},"pad":"{padding}"}}"#
        );
        let bytes = value.len().to_string();
        let large = record(CLAIMS, 0, Headers::new());
        app.publish_record(OutgoingRecord { value: Some(value.into()), ..large }).await;
        let begun = Instant::now();
        app.settle().await;
        assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
        assert!(app.records("role_events_retry_1m").is_empty());
        let letters = app.dead_letters(CLAIMS);
        let text = |name| letters[0].headers.get_text(name);
        assert_eq!(text(dead_letter_header::REASON), Some("too_large_to_postpone"));
        assert_eq!(text(dead_letter_header::ERROR), Some("never"));
        assert_eq!(text(dead_letter_header::VALUE_BYTES_LEFT_OUT), Some(&*bytes));
    }
}
