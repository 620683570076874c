//! What is remembered above a blocked record.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone)]
struct Open(Arc<AtomicBool>);

mod blocked {
    use super::*;

    #[event_handler(order = key, concurrency = 64, retry(attempts = 1000, backoff = "1m..1m"))]
    async fn record(
        event: Event<ClaimAdded>,
        State(Open(open)): State<Open>,
        State(log): State<Log>,
    ) -> Result {
        if event.id == 0 && !open.load(Ordering::Relaxed) {
            return Err(Error::msg("blocked"));
        }
        log.note(event.id);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_finished_above_a_blocked_record_does_not_run_again() {
        let (log, open) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let app = service(module_path!()).state(log.clone()).state(Open(Arc::clone(&open)));
        let mut app = app.start().unwrap();
        // The first has a key of its own, so that only it is blocked.
        app.publish(&claim(0, -1)).await;
        publish(&app, 1..10_001, 100).await;
        app.eventually("10 000 are finished", || log.ids().len() == 10_000).await;
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(0));
        app.crash().await;
        app.restart();
        tokio::time::sleep(5 * SECOND).await;
        app.stop().await.unwrap();
        app.restart();
        open.store(true, Ordering::Relaxed);
        app.settle().await;
        let ids = log.ids();
        println!("{} records ran again", ids.len() - 10_001);
        assert_eq!(ids.len(), 10_001);
    }
}

mod cut_off {
    use super::*;
    use event_core::processor::{DeliveryPolicy, ProcessorError};

    const DRAIN: Duration = SECOND;

    /// The first never ends, and the others end in the moment in which the time to drain is over.
    #[event_handler(order = key, concurrency = 64)]
    async fn record(event: Event<ClaimAdded>, State(log): State<Log>, shutdown: Shutdown) {
        log.note(event.id);
        if event.id == 0 {
            std::future::pending::<()>().await;
        }
        shutdown.requested().await;
        tokio::time::sleep(DRAIN).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_ended_in_the_moment_of_the_cut_does_not_run_again() {
        let log = Log::default();
        let policy = DeliveryPolicy { drain_timeout: DRAIN, ..DeliveryPolicy::default() };
        let app = service(module_path!()).state(log.clone()).policy(policy);
        let mut app = app.start().unwrap();
        publish(&app, 0..10, 10).await;
        app.eventually("all are in flight", || log.ids().len() == 10).await;
        let stopped = app.stop().await;
        assert!(matches!(stopped, Err(ProcessorError::DrainDeadline { .. })), "{stopped:?}");
        assert_eq!(app.history().counts().handled, 9);
        app.restart();
        tokio::time::sleep(SECOND).await;
        assert_eq!(log.ids().len(), 11, "only the first runs again");
    }
}

mod made_anew {
    use super::*;
    use event_core::broker::Broker;
    use event_core::delivery::TopicPartition;
    use event_core::event::GroupName;

    #[event_handler(order = key, concurrency = 64, retry(attempts = 1000, backoff = "1h..1h"))]
    async fn record(
        event: Event<ClaimAdded>,
        State(Open(open)): State<Open>,
        State(log): State<Log>,
    ) -> Result {
        if event.role_id == -1 && !open.load(Ordering::Relaxed) {
            return Err(Error::msg("blocked"));
        }
        log.note(event.id);
        Ok(())
    }

    fn start(log: &Log) -> (RunningApp, Arc<AtomicBool>) {
        let open = Arc::new(AtomicBool::new(false));
        let app = service(module_path!()).state(log.clone()).state(Open(Arc::clone(&open)));
        (app.start().unwrap(), open)
    }

    /// Twenty claims, of which the one at offset 10 is blocked.
    async fn publish_twenty(app: &RunningApp, log: &Log) {
        publish(app, 0..10, 5).await;
        app.publish(&claim(10, -1)).await;
        publish(app, 11..20, 5).await;
        app.eventually("all others", || log.ids().len() == 19).await;
    }

    /// `between` is some time in which the consumer can notice.
    async fn make_anew(app: &RunningApp, between: Duration) {
        let topic = TopicName::from_static(CLAIMS);
        app.broker().delete_topic(&topic);
        tokio::time::sleep(between).await;
        app.broker().create_topic(&topic, 1);
        tokio::time::sleep(SECOND).await;
    }

    async fn remembered(app: &RunningApp) -> String {
        let partition = TopicPartition { topic: TopicName::from_static(CLAIMS), partition: 0 };
        let group = GroupName::parse("admin").unwrap();
        let partitions = [partition];
        let committed = Broker::committed(app.broker(), &group, &partitions, SECOND).await;
        committed.unwrap().remove(0).metadata
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_of_the_old_topic_swallows_nothing_of_the_new_one() {
        let log = Log::default();
        let (mut app, _) = start(&log);
        publish_twenty(&app, &log).await;
        app.stop().await.unwrap();
        assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(10));
        assert_ne!(remembered(&app).await, "");
        make_anew(&app, Duration::ZERO).await;
        app.restart();
        tokio::time::sleep(SECOND).await;
        publish(&app, 100..130, 5).await;
        app.settle().await;
        assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(30));
        let ids: Vec<_> = log.ids().into_iter().filter(|id| *id >= 100).collect();
        assert_eq!(ids, (100..130).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_can_be_made_anew_while_the_service_runs() {
        for between in [Duration::ZERO, SECOND] {
            let log = Log::default();
            let (app, _) = start(&log);
            publish(&app, 0..20, 5).await;
            app.settle().await;
            make_anew(&app, between).await;
            publish(&app, 100..105, 5).await;
            app.settle().await;
            assert_eq!(log.ids()[20..], [100, 101, 102, 103, 104]);
            assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(5));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_of_the_old_topic_commits_nothing_of_the_new_one() {
        let log = Log::default();
        let (mut app, open) = start(&log);
        publish_twenty(&app, &log).await;
        make_anew(&app, Duration::ZERO).await;
        publish(&app, 100..105, 5).await;
        app.publish(&claim(105, -1)).await;
        publish(&app, 106..130, 5).await;
        app.eventually("all others", || log.ids().len() == 19 + 29).await;
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(5));
        app.crash().await;
        app.restart();
        open.store(true, Ordering::Relaxed);
        app.settle().await;
        assert_eq!(log.ids()[19 + 29..], [105]);
    }
}
