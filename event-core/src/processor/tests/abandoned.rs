//! Partitions that nothing is waited for: they are another member's already, or there is no time.

use super::*;

/// The first never ends.
#[event_handler]
async fn count(event: Event<Counted>, State(log): State<Log>) {
    log.note(event.id);
    if event.id == 0 {
        std::future::pending::<()>().await;
    }
}

fn count_of(app: &RunningApp, what: &str) -> usize {
    app.history().all().iter().filter(|one| one.what == what).count()
}

#[tokio::test(start_paused = true)]
async fn a_lost_partition_abandons_its_record_in_flight() {
    let (log, broker) = (Log::default(), MemoryBroker::new());
    let app = service(module_path!()).state(log.clone()).broker(&broker).partitions(4);
    let mut app = app.start().unwrap();
    publish(&app, [0]).await;
    app.eventually("it is in flight", || log.ids() == [0]).await;
    let all: Vec<_> = (0..4).map(partition).collect();
    broker.lose(&GroupName::parse("engine").unwrap(), &all, SECOND);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(count_of(&app, "abandoned"), 1);
    app.crash().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_service_stops_in_order_without_time_to_drain() {
    let policy = DeliveryPolicy { drain_timeout: Duration::ZERO, ..DeliveryPolicy::default() };
    let app = service(module_path!()).state(Log::default()).policy(policy).partitions(4);
    let mut app = app.start().unwrap();
    publish(&app, 1..20).await;
    app.settle().await;
    app.stop().await.unwrap();
    assert_eq!(count_of(&app, "abandoned"), 0);
}
