//! What start-up makes of layers.

use std::time::Duration;

use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, OutgoingRecord};
use event_core::event::{Headers, TopicName};
use event_core::prelude::*;
use event_core::registry::Registry;
use event_core::testing::TestApp;

use super::{Named, Notes, TOPIC, ban, service};

#[test]
fn a_layer_for_what_is_not_there_is_a_problem_at_start_up() {
    let (app, _) = service();
    let app =
        app.layer_topic("layer_event", ban).layer_handler("nubmer", ban).layer_handler("note", ban);
    let report = app.start().err().unwrap().to_string();
    let lines: Vec<_> = report.lines().collect();
    let [title, topic, topic_place, topic_help, handler, handler_place, handler_help] = lines[..]
    else {
        panic!("{report}");
    };
    assert_eq!(title, "cannot start: 2 problems");
    assert_eq!(
        [topic, topic_help, handler, handler_help],
        [
            "  1. `.layer_topic(\"layer_event\", ..)` is for `layer_event`, which no handler listens to",
            "     help: write `.layer_topic(\"layer_events\", ..)`",
            "  2. `.layer_handler(\"nubmer\", ..)` is for `nubmer`, and no handler has this id",
            "     help: write `.layer_handler(\"number\", ..)`",
        ]
    );
    for (place, method) in [(topic_place, "layer_topic"), (handler_place, "layer_handler")] {
        let start = format!("       {method}   event-core/tests/middleware/startup.rs:");
        assert!(place.starts_with(&start), "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_app_itself_has_the_same_layers() {
    let (notes, broker) = (Notes::default(), MemoryBroker::new());
    let app = || {
        let app = EventApp::from_env("layers").unwrap().handlers_from("middleware");
        app.state(notes.clone())
    };
    let problems = app().layer_topic("layer_event", ban).check("layers");
    assert!(problems.to_string().contains("`layer_event`"), "{problems:?}");

    for handler in Registry::linked().handlers() {
        let topic = TopicName::from_static(handler.topic);
        broker.create_topic(&topic, 1);
        broker.create_topic(&topic.dead_letters().unwrap(), 1);
    }
    let record = OutgoingRecord {
        topic: TopicName::from_static(TOPIC),
        partition: None,
        key: None,
        value: Some(r#"{"eventType": "NOTED"}"#.into()),
        headers: Headers::new(),
        timestamp_ms: None,
    };
    broker.producer().unwrap().send(record).await.unwrap();
    let app = app()
        .layer_handler("note", Named("handler"))
        .layer_topic(TOPIC, Named("topic"))
        .layer(Named("app"));
    let settings = Settings::load("layers", &SettingsOverrides::default(), []).unwrap();
    let shutdown = tokio::time::sleep(Duration::from_secs(5));
    app.run_on(broker, settings, shutdown).await.unwrap();
    assert_eq!(
        notes.take(),
        ["app in", "topic in", "handler in", "note", "handler out", "topic out", "app out"]
    );
}

mod deep {
    use event_core::event_handler;

    #[event_handler(topic = "deep_events", event = "NOTED")]
    async fn found() {}

    #[event_handler(topic = "deep_events", event = "NUMBERED", id = "fund")]
    async fn fund() {}
}

#[test]
fn a_handler_named_without_its_module_is_the_one_that_is_meant() {
    let app = || TestApp::new("layers").handlers_from(format!("{}::deep", module_path!()));
    let report = app().layer_handler("found", ban).start().err().unwrap().to_string();
    assert!(
        report.ends_with("help: write `.layer_handler(\"startup::deep::found\", ..)`"),
        "{report}"
    );
    // Where there is no handler at all, that is the one problem.
    let nothing = TestApp::new("layers").handlers_from("nowhere").layer_handler("found", ban);
    assert!(nothing.start().err().unwrap().to_string().starts_with("cannot start: 1 problem\n"));
}
