//! Offsets that are remembered as settled, and at which other records lie now: the log was truncated, or
//! its topic recreated.

use super::*;
use event_core::broker::BrokerError;
use event_core::broker::memory::{Fault, MemoryBroker, Request};
use event_core::delivery::{NextOffset, TopicPartition};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Default)]
struct Open(Arc<AtomicBool>);

#[event_handler(order = key, concurrency = 64, retry(attempts = 1000, backoff = "1m..1m"))]
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

struct Service {
    app: RunningApp,
    log: Log,
    open: Open,
}

impl Service {
    fn member(broker: &MemoryBroker, log: &Log, open: &Open) -> RunningApp {
        let app = service(module_path!()).state(log.clone()).state(open.clone());
        app.broker(broker).start().unwrap()
    }

    /// Twenty claims, of which all are settled but that at offset 10, and the commit remembers it.
    async fn with_twenty() -> Self {
        let (log, open) = (Log::default(), Open::default());
        let app = Service::member(&MemoryBroker::new(), &log, &open);
        publish(&app, 0..10, 5).await;
        app.publish(&claim(10, -1)).await;
        publish(&app, 11..20, 5).await;
        app.eventually("all others", || log.ids().len() == 19).await;
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(10)));
        Service { app, log, open }
    }

    fn truncate(&self, end: i64) {
        truncate(self.app.broker(), end);
    }

    fn open(&self) {
        self.open.0.store(true, Ordering::Relaxed);
    }

    /// What ran after the first 19, in order.
    fn ran(&self) -> Vec<u64> {
        let mut ran = self.log.ids().split_off(19);
        ran.sort_unstable();
        ran
    }

    fn changes(&self) -> usize {
        changes(&self.app)
    }
}

fn truncate(broker: &MemoryBroker, end: i64) {
    let partition = TopicPartition { topic: TopicName::from_static(CLAIMS), partition: 0 };
    broker.truncate(&partition, NextOffset(end));
}

fn changes(app: &RunningApp) -> usize {
    app.history().all().iter().filter(|one| one.what == "log-changed").count()
}

fn with_the_blocked_one(ids: std::ops::Range<u64>) -> Vec<u64> {
    std::iter::once(10).chain(ids).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_written_where_the_log_was_cut_off_while_the_service_was_down_runs() {
    for (end, changes) in [(11, 1), (13, 1), (19, 1), (20, 0)] {
        let mut service = Service::with_twenty().await;
        service.app.stop().await.unwrap();
        service.truncate(end);
        publish(&service.app, 100..120, 5).await;
        service.open();
        service.app.restart();
        service.app.settle().await;
        // And nothing that was not truncated runs again.
        assert_eq!(service.ran(), with_the_blocked_one(100..120), "truncated at {end}");
        assert_eq!(service.changes(), changes, "truncated at {end}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_where_the_log_was_cut_off_while_its_partition_moved_runs() {
    let mut service = Service::with_twenty().await;
    let next = Service::member(service.app.broker(), &service.log, &service.open);
    let broker = service.app.broker().clone();
    // The next owner has the partition, and has not read of it.
    let mut is_cut_off = false;
    broker.clone().inject(move |request| match request {
        Request::Fetch { .. } if !is_cut_off => {
            is_cut_off = true;
            truncate(&broker, 13);
            Some(Fault::Refused(BrokerError::Other("no leader".into())))
        }
        _ => None,
    });
    service.app.crash().await;
    next.eventually("the log is truncated", || next.records(CLAIMS).len() == 13).await;
    publish(&next, 100..120, 5).await;
    service.open();
    next.settle().await;
    assert_eq!(service.ran(), with_the_blocked_one(100..120));
    assert_eq!(changes(&next), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_where_the_log_was_cut_off_in_the_midst_runs_also_after_a_crash() {
    let mut service = Service::with_twenty().await;
    service.truncate(13);
    let resets = || {
        let all = service.app.history().all();
        let resets = all.iter().filter(|one| one.what == "offset-reset");
        resets.map(|one| one.detail.clone()).collect::<Vec<_>>()
    };
    service.app.eventually("it is reported", || !resets().is_empty()).await;
    assert!(matches!(&resets()[..], [one] if one.contains("truncated") && one.contains("to 13")));
    publish(&service.app, 100..102, 5).await;
    service.app.publish(&claim(102, -1)).await;
    publish(&service.app, 103..120, 5).await;
    service.app.eventually("all others", || service.ran().len() == 19).await;
    tokio::time::sleep(5 * SECOND).await;
    service.app.crash().await;
    service.open();
    service.app.restart();
    service.app.settle().await;
    assert_eq!(service.ran(), with_the_blocked_one(100..120));
}

#[tokio::test(start_paused = true)]
async fn what_lies_in_a_topic_made_anew_while_the_service_was_down_runs() {
    let mut service = Service::with_twenty().await;
    service.app.stop().await.unwrap();
    let topic = TopicName::from_static(CLAIMS);
    let last = service.app.records(CLAIMS).iter().map(|record| record.timestamp_ms).max().unwrap();
    service.app.broker().delete_topic(&topic);
    service.app.broker().create_topic(&topic, 1);
    for id in 100..130 {
        let value = format!(r#"{{"eventType":"CLAIM_ADDED","data":{{"id":{id},"roleId":1}}}}"#);
        let record = OutgoingRecord {
            topic: topic.clone(),
            partition: Some(0),
            key: None,
            value: Some(value.into()),
            headers: Headers::new(),
            timestamp_ms: Some(last + 1),
        };
        service.app.publish_record(record).await;
    }
    service.app.restart();
    service.app.settle().await;
    // Those below the committed offset no group of Kafka's would see.
    assert_eq!(service.ran(), (110..130).collect::<Vec<_>>());
    assert_eq!(service.changes(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_only_the_leader_changed_nothing_runs_again() {
    let mut service = Service::with_twenty().await;
    service.app.crash().await;
    service.truncate(20);
    publish(&service.app, 20..40, 5).await;
    service.app.restart();
    service.app.eventually("the new ones", || service.ran().len() == 20).await;
    tokio::time::sleep(5 * SECOND).await;
    service.app.crash().await;
    service.open();
    service.app.restart();
    service.app.settle().await;
    assert_eq!(service.ran(), with_the_blocked_one(20..40));
    assert_eq!(service.changes(), 0);
}
