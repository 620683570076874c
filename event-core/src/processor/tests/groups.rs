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
