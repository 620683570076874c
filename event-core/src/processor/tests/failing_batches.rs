//! Calls with several records that fail as a whole.

use super::*;

/// How each call went: after what time, and with which events.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

type Call = (Duration, Vec<u64>);

impl Calls {
    fn note(&self, log: &Log, events: &[Event<Counted>]) -> usize {
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        ids.iter().for_each(|id| log.note(*id));
        let begun = log.times()[0];
        let calls = &mut *self.0.lock().unwrap();
        calls.push((begun.elapsed(), ids));
        calls.len()
    }

    /// The seconds, and the events.
    fn all(&self) -> Vec<(u64, Vec<u64>)> {
        let calls = self.0.lock().unwrap();
        calls.iter().map(|(at, ids)| (at.as_secs(), ids.clone())).collect()
    }
}

fn failing(module: &str) -> (Calls, TestApp) {
    let calls = Calls::default();
    let app = service(module).state(calls.clone()).state(Log::default());
    (calls, app)
}

mod too_many_requests {
    use super::*;

    /// The first call is too much.
    #[event_handler(batch(max = 3, wait = "1s"))]
    async fn count(
        events: Vec<Event<Counted>>,
        State(log): State<Log>,
        State(calls): State<Calls>,
    ) -> Result {
        match calls.note(&log, &events) {
            1 => Err(Error::msg("too many requests").retry_after(60 * SECOND)),
            _ => Ok(()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_batch_asks_to_wait_is_waited_before_its_records_are_tried_alone() {
        let (calls, app) = failing(module_path!());
        let app = app.start().unwrap();
        publish(&app, 0..5).await;
        app.settle().await;
        // What comes behind them keeps its order.
        let expected =
            [(0, vec![0, 1, 2]), (60, vec![0]), (60, vec![1]), (60, vec![2]), (60, vec![3, 4])];
        assert_eq!(calls.all(), expected);
    }
}

mod by_key {
    use super::*;

    /// The first call fails, and every one that begins with 1.
    #[event_handler(
        batch(max = 3, wait = "1s"),
        order = key,
        concurrency = 8,
        retry(attempts = 2, backoff = "5s..5s", jitter = none)
    )]
    async fn count(
        events: Vec<Event<Counted>>,
        State(log): State<Log>,
        State(calls): State<Calls>,
    ) -> Result {
        calls.note(&log, &events);
        if log.times().len() <= 3 || events[0].id == 1 { Err(Error::msg("no")) } else { Ok(()) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_fails_waits_its_backoff_and_none_of_its_attempts_is_used_up() {
        let (calls, app) = failing(module_path!());
        let app = app.start().unwrap();
        publish(&app, 0..5).await;
        app.settle().await;
        let calls = calls.all();
        assert_eq!(calls[0], (0, vec![0, 1, 2]));
        // Whose key is another's waits for none of them.
        assert_eq!(calls[1].1, [3, 4]);
        assert!(calls[1].0 <= 1, "{calls:?}");
        let mut alone = calls[2..5].to_vec();
        alone.sort();
        assert_eq!(alone, [(5, vec![0]), (5, vec![1]), (5, vec![2])]);
        assert_eq!(calls[5..], [(10, vec![1])]);
        let letters = app.dead_letters(TOPIC);
        assert_eq!(letters[0].headers.get_text("dlq.attempts"), Some("2"));
        assert_eq!(letters.len(), 1);
    }
}

mod over_time {
    use super::*;

    #[event_handler(
        batch(max = 3, wait = "1s"),
        timeout = "2s",
        retry(attempts = 2, backoff = "5s..5s", jitter = none)
    )]
    async fn count(
        events: Vec<Event<Counted>>,
        State(log): State<Log>,
        State(calls): State<Calls>,
    ) {
        match calls.note(&log, &events) {
            1 => std::future::pending().await,
            2 => panic!("the first of them"),
            _ => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_over_time_waits_as_one_that_fails() {
        let (calls, app) = failing(module_path!());
        let app = app.start().unwrap();
        publish(&app, 0..3).await;
        app.settle().await;
        let expected =
            [(0, vec![0, 1, 2]), (7, vec![0]), (12, vec![0]), (12, vec![1]), (12, vec![2])];
        assert_eq!(calls.all(), expected);
    }
}
