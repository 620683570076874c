//! What is in flight when a service is asked to stop.

use super::*;
use event_core::observe::{Observation, Observer};

mod slow {
    use super::*;

    #[event_handler]
    async fn slow(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        tokio::time::sleep(Duration::from_secs(event.id)).await;
        seen.note(event.id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_the_record_in_flight_and_commits_it() {
    let seen = Seen::default();
    let mut app = service("shutdown::slow").state(seen.clone()).start().unwrap();
    app.publish(&claim(10)).await;
    app.publish(&claim(11)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    app.stop().await.unwrap();
    assert_eq!(seen.ids(), [10]);
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(1)));
    app.restart();
    app.settle().await;
    assert_eq!(seen.ids(), [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_outlasts_the_drain_deadline_is_delivered_again() {
    let seen = Seen::default();
    let mut app = service("shutdown::slow").state(seen.clone()).start().unwrap();
    app.publish(&claim(0)).await;
    app.publish(&claim(1_000_000)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let error = app.stop().await.unwrap_err();
    assert!(matches!(error, ProcessorError::DrainDeadline { partitions: 1, .. }), "{error}");
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(1)), "what was settled is committed");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_further_attempts() {
    let seen = Seen::default();
    let mut app = service("failures::always_fails").state(seen.clone()).start().unwrap();
    publish(&app, 1..2).await;
    app.eventually("it is tried twice", || seen.ids().len() == 2).await;
    let before = tokio::time::Instant::now();
    app.stop().await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(1), "{:?}", before.elapsed());
    assert_eq!(app.committed(CLAIMS, 0), None);
    assert!(app.dead_letters(CLAIMS).is_empty());
    app.restart();
    app.settle().await;
    assert_eq!(app.dead_letters(CLAIMS).len(), 1);
}

mod waiting {
    use super::*;

    #[event_handler(group = "tries", retry(attempts = 5, backoff = "1m..1m"))]
    async fn tries(event: Event<ClaimAdded>, State(seen): State<Seen>) -> Result {
        seen.note(event.id);
        Err(Error::msg("not yet"))
    }

    #[event_handler(group = "frees", order = none, retry(attempts = 5, backoff = "1m..1m"))]
    async fn frees(event: Event<ClaimAdded>, State(seen): State<Seen>) -> Result {
        seen.note(event.id);
        if event.id < 2 { Err(Error::msg("not yet")) } else { Ok(()) }
    }

    #[event_handler(group = "rests")]
    async fn rests(_: Event<ClaimAdded>) {
        panic!("it is paused");
    }
}

/// How many records each group said at the end to have left.
#[derive(Clone, Default)]
struct StillWaiting(std::sync::Arc<std::sync::Mutex<Vec<u64>>>);

impl Observer for StillWaiting {
    fn observe(&self, observation: &Observation<'_>) {
        if let Observation::LeftWaiting { records } = observation {
            self.0.lock().unwrap().push(*records);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_says_how_many_records_wait_and_come_again() {
    let (seen, left) = (Seen::default(), StillWaiting::default());
    let app = service("shutdown::waiting").state(seen.clone()).observer(left.clone());
    let mut app = app.start().unwrap();
    app.control().pause_handler("shutdown::waiting::rests");
    publish(&app, 0..3).await;
    app.eventually("they were tried once", || seen.ids().len() == 4).await;
    app.stop().await.unwrap();
    let mut said = left.0.lock().unwrap().clone();
    said.sort_unstable();
    assert_eq!(said, [1, 1, 2], "one that is tried, one that rests, and two beside others");
    app.restart();
    app.eventually("they come again", || seen.ids().len() == 7).await;
}

mod blocks_its_thread {
    use std::sync::mpsc::{Receiver, Sender};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Both ends of a call that does not return before it is released.
    #[derive(Clone)]
    pub(super) struct Call {
        pub(super) entered: Sender<()>,
        pub(super) leave: Arc<Mutex<Receiver<()>>>,
    }

    #[event_handler]
    async fn stuck(_event: Event<ClaimAdded>, State(call): State<Call>) {
        call.entered.send(()).unwrap();
        call.leave.lock().unwrap().recv().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_cannot_hold_a_shutdown() {
    let broker = MemoryBroker::new();
    for topic in ["role_events", "role_events_dlq"] {
        broker.create_topic(&TopicName::from_static(topic), 1);
    }
    let producer = event_core::EventProducer::new(broker.producer().unwrap());
    producer.send(&claim(1)).await.unwrap();
    let (entered, has_entered) = std::sync::mpsc::channel();
    let (may_leave, leave) = std::sync::mpsc::channel();
    let leave = std::sync::Arc::new(std::sync::Mutex::new(leave));
    let app = EventApp::from_env("admin")
        .unwrap()
        .handlers_from(format!("{}::blocks_its_thread", module_path!()))
        .state(blocks_its_thread::Call { entered, leave });
    let variables = [("EVENT_DRAIN".into(), "1s".into())];
    let settings = Settings::load("admin", &SettingsOverrides::default(), variables).unwrap();
    let shutdown = async move {
        tokio::task::spawn_blocking(move || has_entered.recv()).await.unwrap().unwrap();
    };
    let running = app.run_on(broker.clone(), settings, shutdown);
    let ended = tokio::time::timeout(Duration::from_secs(30), running).await;
    let error = ended.expect("the service hung").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("1 partition still had records in flight after 1s"), "{text}");
    assert!(
        text.contains("`shutdown::blocks_its_thread::stuck` has had role_events/0@0 for 1"),
        "{text}"
    );
    may_leave.send(()).unwrap();
    let group = event_core::event::GroupName::parse("admin").unwrap();
    let partition = event_core::delivery::TopicPartition {
        topic: TopicName::from_static("role_events"),
        partition: 0,
    };
    assert_eq!(broker.committed(&group, &partition), None);
}
