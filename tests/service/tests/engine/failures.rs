//! Time limits, what errors ask for, and breakers.

use super::*;
use event_core::processor::dead_letter_header as header;

mod time_limit {
    use super::*;

    #[event_handler(timeout = "10s", retry(attempts = 2, backoff = "1s..1s", jitter = none))]
    async fn endless(_event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(0);
        std::future::pending::<()>().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_takes_too_long_is_cancelled_and_has_failed() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        publish(&app, 0..1, 1).await;
        app.settle().await;
        let times = log.times();
        assert_eq!(times.len(), 2);
        assert!(times[1] - times[0] >= 11 * SECOND, "the limit and the delay");
        let letter = &app.dead_letters(CLAIMS)[0];
        let error = letter.headers.get_text(header::ERROR);
        assert_eq!(error, Some("the handler did not end within 10s"));
    }
}

mod verdicts {
    use super::*;

    #[derive(Debug, thiserror::Error, EventError)]
    enum StoreError {
        #[error("there is no such role")]
        #[event_error(dead_letter)]
        NoRole,
        #[error("it is there already")]
        #[event_error(skip)]
        Duplicate,
        #[error("busy")]
        #[event_error(retry_after = "1h")]
        Busy,
        #[error("broken pipe")]
        Other,
    }

    fn store(id: u64) -> Result<(), StoreError> {
        match id {
            0 => Err(StoreError::NoRole),
            1 => Err(StoreError::Duplicate),
            2 => Err(StoreError::Busy),
            3 => Err(StoreError::Other),
            _ => Ok(()),
        }
    }

    #[event_handler(retry(attempts = 2, backoff = "1s..1s"))]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>) -> Result {
        log.note(event.id);
        Ok(store(event.id)?)
    }

    #[tokio::test(start_paused = true)]
    async fn an_errors_variant_decides() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        publish(&app, 0..5, 5).await;
        app.settle().await;
        let tried: Vec<_> = (0..5).map(|id| log.count(id)).collect();
        assert_eq!(tried, [1, 1, 2, 2, 1]);
        let reasons: Vec<_> = app
            .dead_letters(CLAIMS)
            .iter()
            .map(|letter| letter.headers.get_text(header::REASON).unwrap().to_owned())
            .collect();
        assert_eq!(reasons, ["refused_by_handler", "attempts_exhausted", "attempts_exhausted"]);
        assert_eq!(app.history().counts().skipped, 1);
        assert_eq!(app.history().delays()[0], 3600 * SECOND);
    }
}

mod asked {
    use super::*;

    fn is_transient(error: &Error) -> bool {
        error.to_string().contains("timeout")
    }

    #[event_handler(retry(attempts = 3, backoff = "1s..1s", on = is_transient))]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>) -> Result {
        log.note(event.id);
        Err(Error::msg(if event.id == 0 { "timeout" } else { "no" }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_says_which_errors_are_worth_another_attempt() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        publish(&app, 0..2, 2).await;
        app.settle().await;
        assert_eq!(log.ids(), [0, 0, 0, 1]);
    }
}

mod asked_for_ever {
    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

    #[event_handler(order = none, concurrency = 4)]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>) -> Result {
        log.note(event.id);
        match event.id {
            0 => Err(Error::msg("later").retry_after(Duration::MAX)),
            1 => Err(Error::msg("later").retry_after(Duration::from_secs(u64::MAX))),
            _ => Ok(()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_without_an_end_is_a_week() {
        let log = Log::default();
        let mut app = service(module_path!()).state(log.clone()).start().unwrap();
        publish(&app, 0..3, 3).await;
        app.eventually("all are tried", || log.ids().len() == 3).await;
        tokio::time::sleep(60 * SECOND).await;
        assert!(app.is_running() && app.health().is_healthy());
        assert_eq!(app.history().delays(), [WEEK, WEEK]);
        publish(&app, 3..4, 1).await;
        app.eventually("the next", || log.count(3) == 1).await;
        app.stop().await.unwrap();
        assert_eq!(log.ids().len(), 4);
    }
}

mod panics {
    use super::*;

    /// An error with a method that panics.
    #[derive(Debug)]
    enum Odd {
        Message,
        Source,
    }

    impl std::fmt::Display for Odd {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            assert!(!matches!(self, Odd::Message), "of its own");
            f.write_str("odd")
        }
    }

    impl std::error::Error for Odd {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            assert!(!matches!(self, Odd::Source), "of its own");
            None
        }
    }

    fn worth(_error: &Error) -> bool {
        panic!("of its own");
    }

    fn fail(id: u64) -> Result {
        match id {
            0 => Err(Error::msg("broken")),
            1 => Err(Odd::Message.into()),
            2 => Err(Odd::Source.into()),
            _ => Ok(()),
        }
    }

    mod one {
        use super::*;

        #[event_handler(retry(attempts = 2, backoff = "1s..1s", on = worth))]
        async fn record(event: Event<ClaimAdded>) -> Result {
            fail(event.id)
        }
    }

    mod several {
        use super::*;

        #[event_handler(batch(max = 4, wait = "1s"), retry(attempts = 2, backoff = "1s..1s", on = worth))]
        async fn record(events: Vec<Event<ClaimAdded>>) -> Result {
            events.iter().try_for_each(|event| fail(event.id))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_what_is_asked_about_an_error_is_a_failure_like_any_other() {
        for kind in ["one", "several"] {
            let app = service(&format!("{}::{kind}", module_path!())).start().unwrap();
            publish(&app, 0..4, 4).await;
            app.settle().await;
            assert!(app.is_running() && app.health().is_healthy());
            assert_eq!(app.history().counts().handled, 1);
            let letters = app.dead_letters(CLAIMS);
            let text = |name| {
                let texts = letters.iter().map(move |letter| letter.headers.get_text(name));
                texts.map(|text| text.unwrap().to_owned()).collect::<Vec<_>>()
            };
            let unreadable = "an error whose own message panicked";
            assert_eq!(text(header::ERROR), ["broken", unreadable, unreadable], "{kind}");
            assert_eq!(text(header::REASON), ["attempts_exhausted"; 3], "{kind}");
            assert_eq!(text(header::ATTEMPTS), ["2"; 3], "{kind}");
        }
    }
}

mod dependency_down {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Clone)]
    struct Database(Arc<AtomicBool>);

    #[event_handler(
        breaker(failures = 6, pause = "10s..1m"),
        retry(attempts = 3, backoff = "1s..1s")
    )]
    async fn record(
        event: Event<ClaimAdded>,
        State(Database(up)): State<Database>,
        State(log): State<Log>,
    ) -> Result {
        log.note(event.id);
        if up.load(Ordering::Relaxed) {
            return Ok(());
        }
        let refused = Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        if event.id >= 100 { refused.unavailable() } else { Ok(refused?) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_handler_opens_its_breaker_and_is_retried() {
        let (log, up) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let app = service(module_path!())
            .state(log.clone())
            .state(Database(Arc::clone(&up)))
            .start()
            .unwrap();
        publish(&app, 0..50, 5).await;
        app.eventually("the breaker opens", || !app.health().is_healthy()).await;
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(log.ids(), [0, 0, 0, 1, 1, 1], "two dead letters, and no more are made");
        let problem = format!("{:?}", app.health().problems());
        assert!(problem.contains("BreakerOpen") && problem.contains("refused"), "{problem}");
        tokio::time::sleep(6 * SECOND).await;
        assert_eq!(log.ids().len(), 7, "one is tried after 10 s");
        up.store(true, Ordering::Relaxed);
        app.settle().await;
        assert!(app.health().is_healthy());
        assert_eq!(app.history().counts().handled, 48);
        assert_eq!(app.dead_letters(CLAIMS).len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_says_unavailable_uses_up_no_attempt() {
        let (log, up) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let app = service(module_path!())
            .state(log.clone())
            .state(Database(Arc::clone(&up)))
            .start()
            .unwrap();
        publish(&app, 100..110, 5).await;
        tokio::time::sleep(3600 * SECOND).await;
        assert!(log.count(100) > 50 && log.count(101) == 0, "only the first is tried");
        assert!(app.dead_letters(CLAIMS).is_empty());
        up.store(true, Ordering::Relaxed);
        app.settle().await;
        assert_eq!(app.history().counts().handled, 10);
        let first = &app.history().handled("CLAIM_ADDED")[0];
        assert_eq!(first.attempt, 1, "the attempts that found it down do not count");
    }
}

mod paused {
    use super::*;

    #[event_handler]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_pauses_a_handler_and_lets_it_go_on() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        app.control().pause_handler("failures::paused::record");
        tokio::time::sleep(SECOND).await;
        publish(&app, 0..10, 3).await;
        tokio::time::sleep(3600 * SECOND).await;
        assert!(log.ids().is_empty());
        assert!(app.control().resume_handler("failures::paused::record"));
        app.settle().await;
        assert_eq!(log.ids(), (0..10).collect::<Vec<_>>());
        app.control().pause_topic(CLAIMS);
        tokio::time::sleep(SECOND).await;
        publish(&app, 10..11, 3).await;
        tokio::time::sleep(3600 * SECOND).await;
        assert_eq!(log.ids().len(), 10);
        app.control().resume_topic(CLAIMS);
        app.settle().await;
        assert_eq!(log.ids().len(), 11);
    }
}

mod shut_while_they_wait_for_room {
    use super::*;

    #[event_handler(order = none, concurrency = 2, breaker(failures = 20, pause = "10s..1m"))]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>) -> Result {
        log.note(event.id);
        let is_down = log.ids().len() <= 4;
        tokio::time::sleep(SECOND).await;
        if is_down { Err(Error::msg("it is down").unavailable()) } else { Ok(()) }
    }

    async fn with_partitions(log: &Log) -> RunningApp {
        let app = service(module_path!()).state(log.clone()).partitions(8).start().unwrap();
        publish(&app, 0..40, 40).await;
        app
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_after_a_breaker_has_opened() {
        let log = Log::default();
        let app = with_partitions(&log).await;
        tokio::time::sleep(9 * SECOND).await;
        // Two more may begin in the moment in which the first two fail.
        let began = log.ids().len();
        assert!(
            (2..=4).contains(&began),
            "{began}: those of other partitions wait for the same room"
        );
        app.settle().await;
        assert_eq!(app.history().counts().handled, 40);
        assert!(log.times()[4] - log.times()[0] >= 11 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_begins_after_a_pause() {
        let log = Log::default();
        let app = with_partitions(&log).await;
        tokio::time::sleep(SECOND / 2).await;
        app.control().pause_topic(CLAIMS);
        tokio::time::sleep(3600 * SECOND).await;
        assert_eq!(log.ids().len(), 2, "what was in flight is finished");
        app.control().resume_topic(CLAIMS);
        app.settle().await;
        assert_eq!(app.history().counts().handled, 40);
    }
}

mod unknown {
    use super::*;
    use event_core::processor::{DeliveryPolicy, ProcessorError, UnknownEvents};

    #[event_handler]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
    }

    async fn with(unknown_events: UnknownEvents) -> RunningApp {
        let policy = DeliveryPolicy { unknown_events, ..DeliveryPolicy::default() };
        let app = service(module_path!()).state(Log::default()).policy(policy).start().unwrap();
        publish(&app, 0..1, 1).await;
        app.publish_raw(CLAIMS, None, Some(br#"{"eventType": "ROLE_MOVED"}"#)).await;
        publish(&app, 1..2, 1).await;
        app
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_events_can_be_dead_lettered() {
        let app = with(UnknownEvents::DeadLetter).await;
        app.settle().await;
        let letter = &app.dead_letters(CLAIMS)[0];
        assert_eq!(letter.headers.get_text(header::REASON), Some("unknown_event"));
        let counts = app.health().unknown_events().counts();
        assert_eq!(counts, [("ROLE_MOVED".to_owned(), 1)].into());
        assert_eq!(app.history().counts().handled, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_events_can_stop_the_service() {
        let mut app = with(UnknownEvents::Stop).await;
        app.eventually("it ends", || !app.is_running()).await;
        let error = app.stop().await.unwrap_err();
        assert!(matches!(&error, ProcessorError::UnknownEvent { offset, .. } if offset.0 == 1));
        assert!(error.to_string().contains("`ROLE_MOVED` at role_events/0@1"), "{error}");
        assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(1));
    }
}
