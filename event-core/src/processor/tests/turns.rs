//! What else runs on the thread gets its turns, however many records there are and however little
//! their handlers wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::observe::{Observation, Observer};

const RECORDS: usize = 10_000;

/// Counts records that are settled.
#[derive(Clone, Default)]
struct Settled(Arc<AtomicUsize>);

impl Settled {
    fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes every turn it gets until all are settled; says how many records were at most between two.
    async fn most_in_a_turn(&self) -> usize {
        let (mut most, mut before) = (0, 0);
        while before < RECORDS {
            tokio::task::yield_now().await;
            let now = self.so_far();
            most = most.max(now - before);
            before = now;
        }
        most
    }
}

impl Observer for Settled {
    fn observe(&self, observation: &Observation<'_>) {
        if matches!(observation, Observation::Handled { .. } | Observation::Skipped { .. }) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

mod one_after_the_other {
    use super::*;

    #[event_handler]
    async fn count(_: Event<Counted>) {}

    #[tokio::test]
    async fn a_handler_that_never_waits_leaves_others_their_turns() {
        let settled = Settled::default();
        let app = service(module_path!()).observer(settled.clone()).start().unwrap();
        app.control().pause_topic(TOPIC);
        publish(&app, 0..RECORDS as u64).await;
        app.control().resume_topic(TOPIC);
        let most = settled.most_in_a_turn().await;
        assert!(most <= 256, "{most} records in one turn");
    }
}

mod side_by_side {
    use super::*;

    #[event_handler(order = none)]
    async fn count(_: Event<Counted>) {}

    #[tokio::test]
    async fn records_that_are_skipped_leave_others_their_turns() {
        let (settled, broker) = (Settled::default(), MemoryBroker::new());
        broker.create_topic(&TopicName::from_static(TOPIC), 1);
        let before = service(module_path!()).broker(&broker).start().unwrap();
        let mut before = before;
        before.crash().await;
        for _ in 0..RECORDS {
            before.publish_raw(TOPIC, None, Some(br#"{"eventType": "UNKNOWN"}"#)).await;
        }
        let _app = service(module_path!()).broker(&broker).observer(settled.clone()).start();
        let most = settled.most_in_a_turn().await;
        assert!(most <= 256, "{most} records in one turn");
    }
}
