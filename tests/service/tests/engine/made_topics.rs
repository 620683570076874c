//! The topics that a service needs because of those it reads: made at start-up, or missed.

use std::sync::Arc;

use super::*;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, BrokerError};
use event_core::event::TopicName;
use event_core::processor::retry_header;
use tokio::sync::Notify;

#[event_handler(order = none, retry(attempts = 1, topics = ["1s"]))]
async fn record(_: Event<ClaimAdded>, attempt: Attempt, State(done): State<Arc<Notify>>) -> Result {
    match attempt.number {
        1 => Err(Error::msg("not yet")),
        _ => {
            done.notify_one();
            Ok(())
        }
    }
}

#[event_handler(group = "mailer", retry(attempts = 1))]
async fn mail(_: Event<ClaimAdded>) {}

const DERIVED: [&str; 3] = ["role_events_dlq", "role_events_redrive", "role_events_retry_1s"];

/// Runs the service until a record came back from its retry topic.
async fn run(broker: impl Broker, variables: &[(&str, &str)]) -> Result<()> {
    let done = Arc::new(Notify::new());
    let app = EventApp::from_env("admin")?.handlers_from(module_path!()).state(Arc::clone(&done));
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    let settings = Settings::load("admin", &SettingsOverrides::default(), variables)?;
    app.run_on(broker, settings, async move { done.notified().await }).await
}

async fn partitions(broker: &MemoryBroker) -> Vec<Option<i32>> {
    let names = DERIVED.map(TopicName::from_static);
    let found = broker.topics(&names, SECOND).await.unwrap();
    found.into_iter().map(|status| status.partitions.ok()).collect()
}

async fn with_claims() -> MemoryBroker {
    let broker = MemoryBroker::new();
    broker.create_topic(&TopicName::from_static(CLAIMS), 3);
    let producer = event_core::EventProducer::new(broker.producer().unwrap());
    producer.send(&claim(7, 1)).await.unwrap();
    broker
}

const MADE: &[(&str, &str)] = &[("EVENT_CREATE_TOPICS", "true")];

#[tokio::test(start_paused = true)]
async fn they_are_made_with_the_partitions_of_their_origin_when_the_setting_says_so() {
    let broker = with_claims().await;
    run(broker.clone(), MADE).await.unwrap();
    assert_eq!(partitions(&broker).await, [Some(3); 3]);
    let waited = broker.records(&TopicName::from_static("role_events_retry_1s"));
    assert_eq!(waited.len(), 1, "the service ended because a record came back from there");
    // What is there is left as it is.
    let broker = with_claims().await;
    broker.create_topic(&TopicName::from_static("role_events_dlq"), 1);
    run(broker.clone(), MADE).await.unwrap();
    assert_eq!(partitions(&broker).await, [Some(1), Some(3), Some(3)]);
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_they_are_missed_but_for_what_a_person_redrives() {
    let broker = with_claims().await;
    let report = run(broker.clone(), &[]).await.unwrap_err().to_string();
    let expected = "\
cannot start: 2 problems
  1. topic `role_events_dlq` does not exist; it is needed for the dead letters of `role_events`
     help: run the command `topics create`, or write `create_topics = true` (EVENT_CREATE_TOPICS)
  2. topic `role_events_retry_1s` does not exist; it is needed for the retries of `role_events`
     help: run the command `topics create`, or write `create_topics = true` (EVENT_CREATE_TOPICS)";
    assert_eq!(report, expected);
    assert_eq!(partitions(&broker).await, [None; 3]);
    for topic in ["role_events_dlq", "role_events_retry_1s"] {
        broker.create_topic(&TopicName::from_static(topic), 1);
    }
    run(broker, &[]).await.unwrap();
}

/// What it makes may be a migration, which stays when the start fails.
#[tokio::test(start_paused = true)]
async fn a_state_is_made_only_when_everything_else_is_found_right() {
    for (is_there, expected) in [(false, "role_events"), (true, "made")] {
        let made = Arc::new(Mutex::new(false));
        let noted = Arc::clone(&made);
        let app = EventApp::from_env("admin").unwrap().handlers_from(module_path!());
        let app = app.state_with(|| async move {
            *noted.lock().unwrap() = true;
            Err::<Arc<Notify>, _>(Error::msg("made"))
        });
        let broker = if is_there { with_claims().await } else { MemoryBroker::new() };
        let variables = MADE.iter().map(|(name, value)| (name.into(), value.into()));
        let settings = Settings::load("admin", &SettingsOverrides::default(), variables).unwrap();
        let report = app.run_on(broker, settings, std::future::pending()).await.unwrap_err();
        assert!(report.to_string().contains(expected), "{report}");
        assert_eq!(*made.lock().unwrap(), is_there, "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn none_is_made_for_a_service_that_does_not_start() {
    let broker = MemoryBroker::new();
    let report = run(broker.clone(), MADE).await.unwrap_err().to_string();
    assert!(report.starts_with("cannot start: 1 problem\n  1. topic `role_events` does not exist; it is needed for the handlers of"), "{report}");
    assert_eq!(partitions(&broker).await, [None; 3]);

    let broker = with_claims().await;
    let variables = [MADE, &[("EVENT_TOPICS", "user_events")]].concat();
    let report = run(broker.clone(), &variables).await.unwrap_err().to_string();
    assert!(report.starts_with("cannot start: 1 problem\n  1. topic `role_events` has handlers, but is not in the setting `topics`"), "{report}");
    assert_eq!(partitions(&broker).await, [None; 3]);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_made_is_a_problem() {
    let broker = with_claims().await;
    for topic in &DERIVED[1..] {
        let no = BrokerError::Unauthorised("no".into());
        broker.refuse_creation(&TopicName::from_static(topic), Some(no));
    }
    let report = run(broker, MADE).await.unwrap_err().to_string();
    let expected = "\
cannot start: 2 problems
  1. topic `role_events_redrive`, needed for the redriven dead letters of `role_events`, cannot be created: not authorised: no
     help: grant this user `CREATE` on the topic, or create it as another user: `kafka-topics.sh --bootstrap-server .. --create --topic role_events_redrive`
  2. topic `role_events_retry_1s`, needed for the retries of `role_events`, cannot be created: not authorised: no
     help: grant this user `CREATE` on the topic, or create it as another user: `kafka-topics.sh --bootstrap-server .. --create --topic role_events_retry_1s`";
    assert_eq!(report, expected);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_redrives_is_read_once_its_topic_is_made() {
    let broker = MemoryBroker::new();
    for topic in [CLAIMS, "role_events_dlq", "role_events_retry_1s"] {
        broker.create_topic(&TopicName::from_static(topic), 3);
    }
    let running = tokio::spawn(run(broker.clone(), &[]));
    // It has started, and waits.
    tokio::time::sleep(SECOND).await;
    assert!(!running.is_finished());
    let redrive = TopicName::from_static("role_events_redrive");
    broker.create_topic(&redrive, 3);
    let mut headers = Headers::new();
    for (name, value) in [
        (retry_header::TOPIC, CLAIMS),
        (retry_header::PARTITION, "0"),
        (retry_header::OFFSET, "0"),
        (retry_header::TIMESTAMP, "0"),
        (retry_header::GROUP, "admin"),
        (retry_header::HANDLER, "made_topics::record"),
        (retry_header::ATTEMPTS, "1"),
    ] {
        headers.push(name, value);
    }
    let value = r#"{"eventType":"CLAIM_ADDED","data":{"id":7,"roleId":1}}"#;
    let record = OutgoingRecord {
        topic: redrive,
        partition: None,
        key: None,
        value: Some(value.into()),
        headers,
        timestamp_ms: None,
    };
    broker.producer().unwrap().send(record).await.unwrap();
    // Its handler ends the service.
    tokio::time::timeout(60 * SECOND, running).await.unwrap().unwrap().unwrap();
}
