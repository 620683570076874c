//! Several consumer groups in one process.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;

/// How many calls run, and how many did at most.
#[derive(Clone, Default)]
struct Running(Arc<(AtomicUsize, AtomicUsize)>);

impl Running {
    async fn run(&self) {
        let (now, most) = &*self.0;
        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        tokio::time::sleep(SECOND).await;
        now.fetch_sub(1, SeqCst);
    }
}

mod both_run {
    use super::*;

    #[event_handler(order = none, concurrency = 8)]
    async fn count(_: Event<Counted>, State(running): State<Running>) {
        running.run().await;
    }

    #[event_handler(order = none, concurrency = 8, group = "engine-too")]
    async fn count_too(_: Event<Counted>, State(running): State<Running>) {
        running.run().await;
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_limited_over_all_groups_of_a_process() {
        let running = Running::default();
        let policy = DeliveryPolicy { max_concurrency: 3, ..DeliveryPolicy::default() };
        let app = service(module_path!()).state(running.clone()).policy(policy).partitions(4);
        let app = app.start().unwrap();
        publish(&app, 0..40).await;
        app.settle().await;
        assert_eq!(app.history().handled("COUNTED").len(), 80);
        assert_eq!(running.0.1.load(SeqCst), 3);
    }
}

mod one_fails {
    use super::*;

    #[event_handler(order = none, concurrency = 8, breaker = off)]
    async fn count(_: Event<Counted>) -> Result {
        Err(Error::msg("for ever").retry_after(SECOND))
    }

    #[event_handler(order = none, concurrency = 8, group = "engine-too")]
    async fn count_too(event: Event<Counted>, State(log): State<Log>) {
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_fails_for_ever_does_not_hold_the_other() {
        let log = Log::default();
        let policy =
            DeliveryPolicy { max_concurrency: 2, attempts: u32::MAX, ..DeliveryPolicy::default() };
        let app = service(module_path!()).state(log.clone()).policy(policy).partitions(2);
        let mut app = app.start().unwrap();
        publish(&app, 0..200).await;
        app.eventually("the other has all", || log.ids().len() == 200).await;
        tokio::time::sleep(60 * SECOND).await;
        let mut ids = log.ids();
        ids.sort_unstable();
        assert_eq!(ids, (0..200).collect::<Vec<_>>(), "each once");
        app.crash().await;
    }
}
