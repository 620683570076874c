//! What is committed, and what is said with it.

use super::*;
use crate::app::{Settings, SettingsOverrides};

mod of_an_earlier_version {
    use super::*;

    mod by_key {
        use super::*;

        #[event_handler(order = key, concurrency = 8)]
        async fn count(event: Event<Counted>, State(log): State<Log>) {
            if event.id == 0 {
                std::future::pending::<()>().await;
            }
            log.note(event.id);
        }
    }

    mod by_partition {
        use super::*;

        #[event_handler]
        async fn count(event: Event<Counted>, State(log): State<Log>) {
            log.note(event.id);
        }
    }

    /// A version of the service that has finished all of 20 records but the first.
    async fn earlier_version() -> (Log, MemoryBroker) {
        let (log, broker) = (Log::default(), MemoryBroker::new());
        let app = service(&version("by_key")).state(log.clone()).broker(&broker);
        let mut app = app.start().unwrap();
        publish(&app, 0..20).await;
        app.eventually("all others are finished", || log.ids().len() == 19).await;
        tokio::time::sleep(2 * SECOND).await;
        app.crash().await;
        assert!(!committed(&broker).await.1.is_empty());
        (log, broker)
    }

    fn version(of: &str) -> String {
        format!("{}::{of}", module_path!())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_finished_does_not_run_again_when_the_order_is_another() {
        let (log, broker) = earlier_version().await;
        let app = service(&version("by_partition")).state(log.clone()).broker(&broker);
        let mut app = app.start().unwrap();
        app.settle().await;
        publish(&app, 20..25).await;
        app.settle().await;
        assert_eq!(log.ids()[19..], [0, 20, 21, 22, 23, 24]);
        assert_eq!(committed(&broker).await, (NextOffset(25), String::new()));
        app.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nor_in_the_service_that_is_deployed() {
        let (log, broker) = earlier_version().await;
        broker.create_topic(&TopicName::from_static("engine_events_dlq"), 1);
        let app = EventApp::from_env("engine").unwrap().state(log.clone());
        let app = app.handlers_from(version("by_partition"));
        let settings = Settings::load("engine", &SettingsOverrides::default(), []).unwrap();
        let handled = log.clone();
        let first = async move {
            while handled.ids().len() < 20 {
                tokio::time::sleep(SECOND).await;
            }
        };
        app.run_on(broker.clone(), settings, first).await.unwrap();
        assert_eq!(log.ids()[19..], [0]);
        assert_eq!(committed(&broker).await, (NextOffset(20), String::new()));
    }
}

mod slow {
    use super::*;
    use crate::observe::HealthRules;

    #[event_handler]
    async fn count(event: Event<Counted>, State(log): State<Log>) {
        tokio::time::sleep(SECOND).await;
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_settled_in_the_middle_of_a_batch_is_counted() {
        let (log, commit_interval) = (Log::default(), 3600 * SECOND);
        let policy = DeliveryPolicy { commit_interval, commit_records: 10, ..Default::default() };
        let mut app = service(module_path!()).state(log.clone()).policy(policy).start().unwrap();
        let rules = HealthRules { liveness_after: 300 * SECOND, ..HealthRules::default() };
        app.health().watch(&GroupName::parse("engine").unwrap(), rules);
        app.stop().await.unwrap();
        // So that they are one batch.
        publish(&app, 0..60).await;
        app.restart();
        app.eventually("some", || log.ids().len() == 15).await;
        let last_settled = app.health().groups()[0].last_settled;
        assert!(last_settled.is_some_and(|ago| ago <= SECOND), "{last_settled:?}");
        assert_eq!(app.committed(TOPIC, 0), Some(NextOffset(10)), "as `commit_records` says");
        app.stop().await.unwrap();
        let settled = app.health().groups()[0].last_settled;
        assert!(settled.is_some_and(|ago| ago <= SECOND), "{settled:?}");
    }
}

mod metadata_refused {
    use super::*;

    /// The even ones never end.
    #[event_handler(order = key, concurrency = 100)]
    async fn count(event: Event<Counted>, State(log): State<Log>) {
        if event.id < 100 && event.id.is_multiple_of(2) {
            std::future::pending::<()>().await;
        }
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn commits_that_are_refused_for_one_reason_shorten_the_metadata_once() {
        let (log, broker) = (Log::default(), MemoryBroker::new());
        let app = service(module_path!()).state(log.clone()).broker(&broker).start().unwrap();
        broker.limit_metadata_bytes(120);
        // So that several are under way when the first is refused.
        broker.inject(|request| match request {
            Request::Commit { .. } => Some(Fault::Slow(5 * SECOND)),
            _ => None,
        });
        publish(&app, 0..100).await;
        for id in 100..120 {
            publish(&app, [id]).await;
            tokio::time::sleep(SECOND).await;
        }
        let refused = app.history().all().iter().filter(|one| one.what == "commit-failed").count();
        assert!(refused > 1, "{refused}");
        let (next, metadata) = committed(&broker).await;
        assert!(metadata.len() > 60 && metadata.len() <= 120, "{metadata}");
        let above = SettledAbove::decode(&metadata, next);
        assert!(above.ranges().len() > 20, "{above:?}");
    }
}

mod last {
    use super::*;
    use crate::broker::{BrokerError, Progress};
    use crate::delivery::Epoch;
    use crate::processor::ProcessorError;

    #[event_handler]
    async fn count(event: Event<Counted>, State(log): State<Log>) {
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_last_commit_that_fails_names_what_is_not_known_to_be_committed() {
        let (log, broker) = (Log::default(), MemoryBroker::new());
        let app = service(module_path!()).partitions(4).state(log.clone()).broker(&broker);
        let mut app = app.start().unwrap();
        publish(&app, 0..40).await;
        app.settle().await;
        broker.fail_commits(100);
        publish(&app, [40]).await;
        app.eventually("the last one is handled", || log.ids().len() == 41).await;
        let stopped = app.stop().await;
        let Err(ProcessorError::LastCommit(progress, _)) = stopped else { panic!("{stopped:?}") };
        assert_eq!(progress.len(), 1, "{progress:?}");
    }

    #[test]
    fn ten_partitions_are_named() {
        let progress = |number| Progress {
            partition: partition(number),
            epoch: Epoch(1),
            next: NextOffset(7),
            metadata: String::new(),
        };
        let of = |count| {
            let error = BrokerError::Other("away".to_owned());
            ProcessorError::LastCommit((0..count).map(progress).collect(), error).to_string()
        };
        assert!(of(10).ends_with("\n  engine_events/9 up to 7"), "{}", of(10));
        assert!(of(12).ends_with("\n  engine_events/9 up to 7\n  and 2 more"), "{}", of(12));
    }
}
