//! A record in each group of a service of two.

use bytes::Bytes;
use event_macros::event_handler;

use super::*;
use crate::Json;
use crate::delivery::Offset;
use crate::event::Headers;
use crate::registry::Registry;

const PARCELS: TopicName = TopicName::from_static("parcel_events");

#[event_handler(topic = "parcel_events", event = "PARCEL_SENT", id = "track", group = "tracking")]
async fn track(_id: Json<u64>) {}

#[event_handler(topic = "parcel_events", event = "PARCEL_SENT", id = "bill", group = "billing")]
async fn bill(_id: Json<u64>) {}

#[event_handler(topic = "parcel_events", event = "PARCEL_PAID", id = "close", group = "billing")]
async fn close(_id: Json<u64>) {}

fn record(value: Option<Bytes>) -> OwnedRecord {
    let headers = Headers::new();
    OwnedRecord { offset: Offset(0), timestamp_ms: -1, key: None, value, headers }
}

/// What becomes of an event, or of a tombstone, in `billing` and in `tracking`.
async fn in_both(event: Option<&str>, unknown_events: UnknownEvents) -> [String; 2] {
    let registry = Registry::linked().only_modules(&[module_path!().to_owned()]);
    let default = GroupName::parse("parcels").unwrap();
    let groups = registry.groups(&default).into_iter();
    let routers: Vec<_> = groups.map(|(group, own)| (group, EventRouter::new(&own))).collect();
    let policy = DeliveryPolicy { unknown_events, ..DeliveryPolicy::default() };
    let runner = DryRunner::new(EventRouter::new(&[]), policy, StateMap::new());
    let mut said = [String::new(), String::new()];
    for ((group, router), said) in routers.iter().zip(&mut said) {
        let others =
            SiblingGroups::of(group, routers.iter().map(|(group, router)| (group, router)));
        let value =
            event.map(|event| Bytes::from(format!(r#"{{"eventType": "{event}", "data": 7}}"#)));
        let record = record(value);
        let runner = runner.in_group(group.clone(), router.clone(), others);
        let run = runner.run(record, PARCELS).await;
        let other = run.other_group.map_or_else(String::new, |group| format!(" {group}"));
        *said = format!("{:?}{other}", run.outcome);
    }
    said
}

#[tokio::test]
async fn what_another_group_handles_is_unknown_to_none() {
    for unknown_events in [UnknownEvents::Skip, UnknownEvents::DeadLetter, UnknownEvents::Stop] {
        assert_eq!(in_both(Some("PARCEL_SENT"), unknown_events).await, ["Handled", "Handled"]);
        let paid = in_both(Some("PARCEL_PAID"), unknown_events).await;
        assert_eq!(paid, ["Handled", "OtherGroup billing"]);
    }
}

#[tokio::test]
async fn that_an_event_is_unknown_is_said_by_the_first_group_for_all() {
    let lost = Some("PARCEL_LOST");
    for (unknown_events, first) in [
        (UnknownEvents::Skip, "Skipped"),
        (UnknownEvents::DeadLetter, "DeadLettered"),
        (UnknownEvents::Stop, "Stops"),
    ] {
        assert_eq!(in_both(lost, unknown_events).await, [first, "OtherGroup billing"]);
    }
    let tombstone = in_both(None, UnknownEvents::DeadLetter).await;
    assert_eq!(tombstone, ["Skipped", "OtherGroup billing"]);
}

/// A value of a record that somebody else looks at too.
struct Watched(Arc<[u8]>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[tokio::test]
async fn nothing_of_a_dry_run_stays_in_memory() {
    let registry = Registry::linked().only_modules(&[module_path!().to_owned()]);
    let value: Arc<[u8]> = Arc::from(&br#"{"eventType": "PARCEL_SENT", "data": 7}"#[..]);
    let provided = Arc::new(3_u8);
    let mut state = StateMap::new();
    state.insert(Arc::clone(&provided));
    let router = EventRouter::new(registry.handlers());
    let runner = DryRunner::new(router, DeliveryPolicy::default(), state);
    for _ in 0..3 {
        let record = record(Some(Bytes::from_owner(Watched(Arc::clone(&value)))));
        assert_eq!(runner.run(record, PARCELS).await.outcome, DryRunOutcome::Handled);
        assert_eq!(Arc::strong_count(&value), 1, "the record");
    }
    drop(runner);
    assert_eq!(Arc::strong_count(&provided), 1, "the states");
}
