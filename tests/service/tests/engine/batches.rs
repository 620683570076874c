//! Handlers of several records at once.

use super::*;
use event_core::extract::Batch;

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Vec<u64>>>>);

impl Calls {
    fn note(&self, ids: Vec<u64>) {
        self.0.lock().unwrap().push(ids);
    }

    fn all(&self) -> Vec<Vec<u64>> {
        self.0.lock().unwrap().clone()
    }
}

mod for_all {
    use super::*;

    #[event_handler(batch(max = 10, wait = "50ms"), retry(attempts = 3, backoff = "1s..1s"))]
    async fn record(events: Vec<Event<ClaimAdded>>, State(calls): State<Calls>) -> Result {
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        calls.note(ids.clone());
        if ids.contains(&13) { Err(Error::msg("unlucky")) } else { Ok(()) }
    }

    #[tokio::test(start_paused = true)]
    async fn records_come_together_and_only_the_bad_one_is_given_up() {
        let calls = Calls::default();
        let app = service(module_path!()).state(calls.clone()).start().unwrap();
        publish(&app, 0..25, 5).await;
        app.settle().await;
        let all = calls.all();
        assert_eq!(all[0], (0..10).collect::<Vec<_>>());
        assert_eq!(all[1], (10..20).collect::<Vec<_>>());
        let alone: Vec<_> = all[2..all.len() - 1].iter().map(|call| call[0]).collect();
        assert_eq!(alone, [10, 11, 12, 13, 13, 13, 14, 15, 16, 17, 18, 19], "one by one, in order");
        assert_eq!(all.last().unwrap(), &(20..25).collect::<Vec<_>>());
        let letters = app.dead_letters(CLAIMS);
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].headers.get_text("dlq.offset"), Some("13"));
        assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(25));
        assert_eq!(app.history().counts().handled, 24);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_waits_for_more_but_not_for_ever() {
        let calls = Calls::default();
        let app = service(module_path!()).state(calls.clone()).start().unwrap();
        publish(&app, 0..1, 1).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        publish(&app, 1..2, 1).await;
        assert!(calls.all().is_empty());
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(calls.all(), [[0, 1]]);
        app.settle().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_decoded_is_not_part_of_it() {
        let calls = Calls::default();
        let app = service(module_path!()).state(calls.clone()).start().unwrap();
        publish(&app, 0..1, 1).await;
        app.publish_raw(CLAIMS, None, Some(br#"{"eventType":"CLAIM_ADDED","data":{"id":"x"}}"#))
            .await;
        publish(&app, 2..3, 1).await;
        app.settle().await;
        assert_eq!(calls.all(), [[0, 2]]);
        let letter = &app.dead_letters(CLAIMS)[0];
        assert_eq!(letter.headers.get_text("dlq.reason"), Some("data_mismatch"));
    }
}

mod for_each {
    use super::*;

    #[event_handler(order = key, concurrency = 4, batch(max = 100, wait = "10ms"), retry(attempts = 2, backoff = "1s..1s"))]
    async fn record(events: Batch<ClaimAdded>, State(calls): State<Calls>) -> Vec<Result> {
        calls.note(events.iter().map(|event| event.id).collect());
        let bad = |id| if id % 10 == 7 { Err(Error::msg("a seven")) } else { Ok(()) };
        events.iter().map(|event| bad(event.id)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_has_its_own_end_and_keys_keep_their_order() {
        let calls = Calls::default();
        let app = service(module_path!()).state(calls.clone()).start().unwrap();
        publish(&app, 0..60, 6).await;
        app.settle().await;
        let ids: Vec<_> = calls.all().concat();
        assert_eq!(ids.len(), 60 + 6, "each seven once more");
        for role in 0..6 {
            let mut of_role: Vec<_> = ids.iter().filter(|id| **id % 6 == role).copied().collect();
            of_role.dedup();
            let mut first = Vec::new();
            of_role.into_iter().filter(|id| id % 10 != 7).for_each(|id| first.push(id));
            assert!(first.is_sorted(), "role {role}: {first:?}");
        }
        assert_eq!(app.dead_letters(CLAIMS).len(), 6);
        assert_eq!(app.history().counts().handled, 54);
    }
}

mod beside_a_shut_one {
    use super::*;

    #[derive(Event, serde::Serialize, serde::Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_REMOVED")]
    struct ClaimRemoved {
        id: u64,
    }

    #[event_handler(
        id = "added",
        order = none,
        batch(max = 10, wait = "50ms"),
        breaker(pause = "1h..1h")
    )]
    async fn added(_events: Vec<Event<ClaimAdded>>) -> Result {
        Err(Error::msg("down").unavailable())
    }

    #[event_handler(order = none, batch(max = 10, wait = "50ms"))]
    async fn removed(events: Vec<Event<ClaimRemoved>>, State(log): State<Log>) {
        events.iter().for_each(|event| log.note(event.id));
    }

    /// Shuts the other handler with something in its queue, which is due, and then publishes.
    async fn waited(shut: impl AsyncFn(&RunningApp)) -> Duration {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        shut(&app).await;
        publish(&app, 1..2, 1).await;
        tokio::time::sleep(SECOND).await;
        let published = Instant::now();
        app.publish(&ClaimRemoved { id: 100 }).await;
        app.eventually("the batch", || !log.ids().is_empty()).await;
        log.times()[0] - published
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_on_time_beside_a_paused_handler() {
        let waited = waited(async |app| {
            app.control().pause_handler("added");
            tokio::time::sleep(SECOND).await;
        });
        assert_eq!(waited.await.as_millis() / 10, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_on_time_beside_an_open_breaker() {
        let waited = waited(async |app| {
            publish(app, 0..1, 1).await;
            app.eventually("the breaker opens", || !app.health().is_healthy()).await;
        });
        assert_eq!(waited.await.as_millis() / 10, 5);
    }
}

mod one_error {
    use super::*;

    #[event_handler(order = none, batch(max = 100, wait = "50ms"), retry(attempts = 1))]
    async fn record(events: Vec<Event<ClaimAdded>>, State(calls): State<Calls>) -> Result {
        for event in &events {
            match event.id {
                3 => return Err(Error::msg("not ours").skip()),
                13 => return Err(Error::msg("refused").dead_letter()),
                23 => return Err(Error::msg("broken")),
                _ => {}
            }
        }
        calls.note(events.iter().map(|event| event.id).collect());
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_says_of_all_is_done_to_the_one_that_caused_it() {
        for (first, skipped, letters) in [
            (0, 1, vec![]),
            (10, 0, vec![("3", "refused_by_handler", "refused", "1")]),
            (20, 0, vec![("3", "attempts_exhausted", "broken", "1")]),
        ] {
            let calls = Calls::default();
            let app = service(module_path!()).state(calls.clone()).start().unwrap();
            publish(&app, first..first + 10, 10).await;
            app.settle().await;
            let mut handled = calls.all().concat();
            handled.sort_unstable();
            let good: Vec<_> = (first..first + 10).filter(|id| id % 10 != 3).collect();
            assert_eq!(handled, good);
            let counts = app.history().counts();
            assert_eq!((counts.handled, counts.skipped), (9, skipped));
            let written = app.dead_letters(CLAIMS);
            let reported: Vec<_> = written
                .iter()
                .map(|letter| {
                    let text = |name| letter.headers.get_text(name).unwrap();
                    (
                        text("dlq.offset"),
                        text("dlq.reason"),
                        text("dlq.error"),
                        text("dlq.attempts"),
                    )
                })
                .collect();
            assert_eq!(reported, letters);
        }
    }
}

mod one_bad {
    use super::*;

    #[event_handler(batch(max = 100, wait = "50ms"), retry(attempts = 5, backoff = "10ms..10ms"))]
    async fn record(events: Vec<Event<ClaimAdded>>, State(calls): State<Calls>) -> Result {
        if events.iter().any(|event| event.id == 0) {
            return Err(Error::msg("bad"));
        }
        calls.note(events.iter().map(|event| event.id).collect());
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_one_failure_for_the_breaker_however_many_came_with_it() {
        let calls = Calls::default();
        let app = service(module_path!()).state(calls.clone()).start().unwrap();
        let begun = Instant::now();
        publish(&app, 0..50, 5).await;
        app.settle().await;
        assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
        assert_eq!(calls.all().concat(), (1..50).collect::<Vec<_>>());
        assert_eq!(app.dead_letters(CLAIMS).len(), 1);
        let opened = app.history().all().iter().any(|one| one.what == "breaker-opened");
        assert!(!opened);
    }
}
