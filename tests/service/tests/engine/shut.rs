//! Handlers that are paused, or whose circuit breaker is open, while calls of many partitions wait for a permit.

use super::*;

mod one_at_a_time {
    use super::*;

    #[event_handler(id = "slow", order = none, concurrency = 1)]
    async fn slow(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
        tokio::time::sleep(10 * SECOND).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_of_any_partition_begins_after_a_pause() {
        let log = Log::default();
        let app = service(module_path!()).partitions(4).state(log.clone()).start().unwrap();
        publish_to_each(&app, 0..4).await;
        tokio::time::sleep(SECOND).await;
        app.control().pause_handler("slow");
        tokio::time::sleep(3600 * SECOND).await;
        assert_eq!(log.ids().len(), 1, "what was in flight is finished");
        app.control().resume_handler("slow");
        app.settle().await;
        assert_eq!(log.ids().len(), 4);
    }
}

mod down {
    use super::*;

    const DOWN_FOR: Duration = Duration::from_secs(25);

    #[derive(Clone)]
    struct UpAt(Instant);

    #[event_handler(
        order = none,
        concurrency = 1,
        retry(attempts = 1),
        breaker(failures = 3, pause = "10s..10s")
    )]
    async fn record(
        event: Event<ClaimAdded>,
        State(UpAt(up_at)): State<UpAt>,
        State(log): State<Log>,
    ) -> Result {
        log.note(event.id);
        tokio::time::sleep(Duration::from_millis(10)).await;
        if Instant::now() < up_at { Err(Error::msg("down")) } else { Ok(()) }
    }

    /// Probes after 10 s and 20 s fail, the third works.
    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_lets_one_of_fifty_partitions_try() {
        let (log, begun) = (Log::default(), Instant::now());
        let app = service(module_path!()).partitions(50).state(log.clone());
        let app = app.state(UpAt(begun + DOWN_FOR)).start().unwrap();
        publish_to_each(&app, 0..50).await;
        // The fourth began in the moment in which the third failed.
        for (seconds, tried) in [(5, 4), (15, 5), (24, 6)] {
            tokio::time::sleep_until(begun + seconds * SECOND).await;
            assert_eq!(log.ids().len(), tried, "after {seconds} s");
        }
        app.settle().await;
        assert_eq!(log.ids().len(), 50, "each once");
        assert_eq!(app.dead_letters(CLAIMS).len(), 6);
        assert_eq!(app.history().counts().handled, 44);
    }
}

mod slow_probe {
    use super::*;

    #[event_handler(order = none, concurrency = 8, breaker(failures = 1, pause = "10s..10s"))]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>) -> Result {
        log.note(event.id);
        if log.ids().len() == 1 {
            return Err(Error::msg("down").unavailable());
        }
        tokio::time::sleep(5 * SECOND).await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn while_one_tries_none_of_the_others_does() {
        let (log, begun) = (Log::default(), Instant::now());
        let app = service(module_path!()).partitions(50).state(log.clone()).start().unwrap();
        publish_to_each(&app, 0..1).await;
        app.eventually("the breaker opens", || !app.health().is_healthy()).await;
        publish_to_each(&app, 1..50).await;
        for (seconds, tried) in [(9, 1), (14, 2), (16, 10)] {
            tokio::time::sleep_until(begun + seconds * SECOND).await;
            assert_eq!(log.ids().len(), tried, "after {seconds} s");
        }
        app.settle().await;
        assert_eq!(app.history().counts().handled, 50);
    }
}

mod reported {
    use event_core::observe::{Observation, Observer};

    use super::*;

    #[event_handler(breaker(failures = 2, pause = "5s..5s"), retry(backoff = "10ms..10ms", jitter = none))]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>) -> Result {
        log.note(event.id);
        match (event.id, log.count(event.id)) {
            (0, 1) => Err(Error::msg("down").unavailable()),
            (1, 1..=2) => Err(Error::msg("down")),
            _ => Ok(()),
        }
    }

    /// The reported delays of failed attempts.
    #[derive(Clone, Default)]
    struct Delays(Arc<Mutex<Vec<Duration>>>);

    impl Observer for Delays {
        fn observe(&self, observation: &Observation<'_>) {
            if let Observation::Retrying { delay, .. } = observation {
                self.0.lock().unwrap().push(*delay);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_of_a_failed_attempt_is_that_of_the_open_breaker() {
        let delays = Delays::default();
        let app = service(module_path!()).state(Log::default()).observer(delays.clone());
        let app = app.start().unwrap();
        publish(&app, 0..2, 1).await;
        app.settle().await;
        let ms = delays.0.lock().unwrap().iter().map(Duration::as_millis).collect::<Vec<_>>();
        assert_eq!(ms, [5_000, 10, 5_000]);
    }
}
