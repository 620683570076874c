//! What layers see and do, around real handlers on the memory broker with the clock paused.

#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod startup;
mod trace;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_core::broker::BrokerError;
use event_core::broker::memory::MemoryBroker;
use event_core::event::TopicName;
use event_core::middleware::{self, Middleware, Next, OutcomeFuture};
use event_core::prelude::*;
use event_core::testing::{RunningApp, TestApp};
use event_core::{Delivery, Rejection};

const TOPIC: &str = "layer_events";

/// What was noted, in order. Cloning it shares the list.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[event_handler(topic = "layer_events", event = "NOTED", id = "note")]
async fn note(State(notes): State<Notes>) {
    notes.add("note");
}

#[event_handler(topic = "layer_events", event = "NUMBERED", id = "number")]
async fn number(Json(number): Json<u32>, State(notes): State<Notes>, attempt: Attempt) -> Result {
    notes.add(format!("number {number}"));
    match number {
        13 => panic!("an unlucky number"),
        0 => Err(Error::msg("no number")),
        retries if attempt.number <= retries => Err(Error::msg("not yet")),
        _ => Ok(()),
    }
}

#[derive(Event, serde::Serialize)]
#[event(topic = "emitted_events", name = "EMITTED")]
struct Emitted {}

#[event_handler(topic = "layer_events", event = "PASSED_ON", id = "pass_on")]
async fn pass_on() -> Emit<Emitted> {
    Emit(Emitted {})
}

#[event_handler(topic = "other_layer_events", event = "NOTED", id = "other")]
async fn other(State(notes): State<Notes>) {
    notes.add("other");
}

fn service() -> (TestApp, Notes) {
    let notes = Notes::default();
    (TestApp::new("layers").handlers_from(module_path!()).state(notes.clone()), notes)
}

async fn publish(app: &RunningApp, topic: &str, event: &str, data: &str) {
    let value = format!(r#"{{"eventType": "{event}", "userId": 42, "data": {data}}}"#);
    app.publish_raw(topic, None, Some(value.as_bytes())).await;
    app.settle().await;
}

/// A layer with a value of its own.
struct Named(&'static str);

impl Middleware for Named {
    fn handle<'a>(&'a self, delivery: &'a Delivery<'a>, next: Next<'a>) -> OutcomeFuture<'a> {
        Box::pin(async move {
            let notes = delivery.state.get::<Notes>().unwrap();
            notes.add(format!("{} in", self.0));
            let outcome = next.run(delivery).await;
            notes.add(format!("{} out", self.0));
            outcome
        })
    }
}

/// A layer that notes all it sees.
async fn watch(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    let outcome = next.run(delivery).await;
    let note = format!(
        "{} {} {} {}/{}: {outcome:?}",
        delivery.position(),
        delivery.event_type().unwrap_or("tombstone"),
        delivery.handler,
        delivery.attempt,
        delivery.attempts,
    );
    delivery.state.get::<Notes>().unwrap().add(note);
    outcome
}

#[tokio::test(start_paused = true)]
async fn the_app_is_outside_the_topic_and_the_topic_outside_the_handler() {
    let (app, notes) = service();
    // Added from the inside outwards, which makes no difference between the three kinds.
    let app = app
        .layer_handler("note", Named("handler 1"))
        .layer_topic(TOPIC, Named("topic 1"))
        .layer(Named("app 1"))
        .layer_handler("note", Named("handler 2"))
        .layer_topic(TOPIC, Named("topic 2"))
        .layer(Named("app 2"))
        .start()
        .unwrap();
    publish(&app, TOPIC, "NOTED", "1").await;
    let layers = ["app 1", "app 2", "topic 1", "topic 2", "handler 1", "handler 2"];
    let mut expected: Vec<_> = layers.iter().map(|layer| format!("{layer} in")).collect();
    expected.push("note".to_owned());
    expected.extend(layers.iter().rev().map(|layer| format!("{layer} out")));
    assert_eq!(notes.take(), expected);

    publish(&app, TOPIC, "NUMBERED", "20").await;
    assert_eq!(notes.take()[..4], ["app 1 in", "app 2 in", "topic 1 in", "topic 2 in"]);
    publish(&app, "other_layer_events", "NOTED", "1").await;
    assert_eq!(
        notes.take(),
        ["app 1 in", "app 2 in", "other", "app 2 out", "app 1 out"],
        "neither the topic's nor the handler's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_every_attempt_with_its_outcome() {
    let (app, notes) = service();
    let app = app.layer_handler("number", watch).start().unwrap();
    publish(&app, TOPIC, "NUMBERED", "1").await;
    assert_eq!(
        notes.take(),
        [
            "number 1",
            "layer_events/0@0 NUMBERED number 1/5: Failed(not yet)",
            "number 1",
            "layer_events/0@0 NUMBERED number 2/5: Handled",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_a_record_that_the_arguments_refuse() {
    let (app, notes) = service();
    let app = app.layer(watch).start().unwrap();
    publish(&app, TOPIC, "NUMBERED", r#""many""#).await;
    let notes = notes.take();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("NUMBERED number 1/5: Rejected("), "{notes:?}");
    let letters = app.dead_letters(TOPIC);
    assert_eq!(letters[0].headers.get_text("dlq.attempts"), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_a_panic_as_a_failure() {
    let (app, notes) = service();
    let app = app.layer(watch).start().unwrap();
    publish(&app, TOPIC, "NUMBERED", "13").await;
    let notes = notes.take();
    let expected = "Failed(the handler panicked: an unlucky number)";
    assert_eq!(notes.iter().filter(|note| note.ends_with(expected)).count(), 5, "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_handles_meets_no_layer() {
    let (app, notes) = service();
    let app = app.layer(watch).start().unwrap();
    publish(&app, TOPIC, "UNKNOWN", "1").await;
    app.publish_raw(TOPIC, None, Some(b"{")).await;
    app.publish_raw(TOPIC, None, None).await;
    app.settle().await;
    assert_eq!(notes.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_handled_when_the_returned_events_are_acknowledged() {
    async fn count(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
        let outcome = next.run(delivery).await;
        let broker = delivery.state.get::<MemoryBroker>().unwrap();
        let sent = broker.records(&TopicName::from_static("emitted_events")).len();
        delivery.state.get::<Notes>().unwrap().add(format!("{} with {sent} sent", outcome.code()));
        outcome
    }
    let (app, notes) = service();
    let broker = MemoryBroker::new();
    let app = app.broker(&broker).state(broker.clone()).layer(count).start().unwrap();
    publish(&app, TOPIC, "PASSED_ON", "1").await;
    assert_eq!(notes.take(), ["handled with 1 sent"]);
    let error = BrokerError::Other("not enough replicas".to_owned());
    broker.refuse_writes(&TopicName::from_static("emitted_events"), Some(error));
    publish(&app, TOPIC, "PASSED_ON", "1").await;
    assert_eq!(notes.take(), ["failed with 1 sent"; 5]);
}

/// Forgives a failure, passes over what cannot be decoded, and refuses what was handled.
async fn reverse(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    match next.run(delivery).await {
        Outcome::Failed(_) => Outcome::Handled,
        Outcome::Rejected(Rejection::Undecodable(_)) => Outcome::Skipped,
        Outcome::Handled => Outcome::Failed(Error::msg("too easy").dead_letter()),
        other => other,
    }
}

#[tokio::test(start_paused = true)]
async fn the_outcome_that_a_layer_returns_counts() {
    let (app, notes) = service();
    let app = app.layer(watch).layer(reverse).start().unwrap();
    publish(&app, TOPIC, "NUMBERED", "0").await;
    assert_eq!(
        notes.take(),
        ["number 0", "layer_events/0@0 NUMBERED number 1/5: Handled"],
        "one attempt, and the layer outside sees what it became"
    );
    assert_eq!(app.history().handled("NUMBERED").len(), 1);

    publish(&app, TOPIC, "NUMBERED", r#""many""#).await;
    assert_eq!(app.history().counts().skipped, 1);
    assert!(app.dead_letters(TOPIC).is_empty());

    publish(&app, TOPIC, "NOTED", "1").await;
    let letters = app.dead_letters(TOPIC);
    assert_eq!(letters[0].headers.get_text("dlq.error"), Some("too easy"));
    assert_eq!(letters[0].headers.get_text("dlq.handler"), Some("note"));
}

/// Keeps the handler from running for one user.
async fn ban(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    let user = delivery.envelope().ok().and_then(|envelope| envelope.user_id().ok().flatten());
    if user.is_some_and(|user| user.to_string() == "42") {
        return Outcome::Skipped;
    }
    next.run(delivery).await
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_does_not_go_on_keeps_the_handler_from_running() {
    let (app, notes) = service();
    let app = app.layer(ban).start().unwrap();
    publish(&app, TOPIC, "NOTED", "1").await;
    assert_eq!(notes.take(), [""; 0]);
    assert_eq!(app.history().counts().skipped, 1);
    let value = br#"{"eventType": "NOTED", "userId": 43}"#;
    app.publish_raw(TOPIC, None, Some(value)).await;
    app.settle().await;
    assert_eq!(notes.take(), ["note"]);
}

async fn broken(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    next.run(delivery).await;
    panic!("no ink")
}

/// Panics before there is a future.
struct BrokenAtOnce;

impl Middleware for BrokenAtOnce {
    fn handle<'a>(&'a self, _: &'a Delivery<'a>, _: Next<'a>) -> OutcomeFuture<'a> {
        panic!("no paper")
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_has_failed_the_attempt() {
    let (app, notes) = service();
    let app = app.layer_topic(TOPIC, broken).layer_topic("other_layer_events", BrokenAtOnce);
    let app = app.start().unwrap();
    publish(&app, TOPIC, "NOTED", "1").await;
    assert_eq!(notes.take(), ["note"; 5]);
    publish(&app, "other_layer_events", "NOTED", "1").await;
    assert_eq!(notes.take(), [""; 0]);
    for (topic, error) in [(TOPIC, "no ink"), ("other_layer_events", "no paper")] {
        let letters = app.dead_letters(topic);
        let expected = format!("a layer panicked: {error}");
        assert_eq!(letters[0].headers.get_text("dlq.error"), Some(&*expected));
        assert_eq!(letters[0].headers.get_text("dlq.attempts"), Some("5"));
    }
}

/// Gives the handler another delivery.
async fn hurry(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    let later = Delivery { attempt: delivery.attempt + 20, ..*delivery };
    next.run(&later).await
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_change_what_the_handler_sees() {
    let (app, _) = service();
    let app = app.layer(hurry).start().unwrap();
    publish(&app, TOPIC, "NUMBERED", "5").await;
    assert_eq!(app.history().handled("NUMBERED")[0].attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn async_closures_and_functions_of_boxed_futures_are_layers_too() {
    let (app, notes) = service();
    let app = app
        .layer(async |delivery: &Delivery<'_>, next: Next<'_>| next.run(delivery).await)
        .layer(watch_boxed);
    publish(&app.start().unwrap(), TOPIC, "NOTED", "1").await;
    assert_eq!(notes.take(), ["note", "layer_events/0@0 NOTED note 1/5: Handled"]);
}

fn watch_boxed<'a>(delivery: &'a Delivery<'a>, next: Next<'a>) -> OutcomeFuture<'a> {
    Box::pin(watch(delivery, next))
}

#[tokio::test(start_paused = true)]
async fn timing_reports_how_long_an_attempt_took() {
    let (app, notes) = service();
    let reported = notes.clone();
    let timing = middleware::timing(move |delivery, elapsed, outcome| {
        reported.add(format!("{} {elapsed:?} {}", delivery.handler, outcome.code()));
    });
    let app = app.layer(timing).layer(async |delivery: &Delivery<'_>, next: Next<'_>| {
        tokio::time::sleep(Duration::from_secs(3)).await;
        next.run(delivery).await
    });
    publish(&app.start().unwrap(), TOPIC, "NUMBERED", r#""many""#).await;
    let notes = notes.take();
    // The clock of tokio counts milliseconds.
    assert!(notes.len() == 1 && notes[0].starts_with("number 3"), "{notes:?}");
    assert!(notes[0].ends_with("s rejected"), "{notes:?}");
}
