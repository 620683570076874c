//! What is committed, and what is said with it.

use super::*;

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
