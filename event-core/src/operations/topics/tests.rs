//! A service of two groups that read one topic; one of them names a dead-letter topic of its own.

use event_macros::event_handler;

use super::*;
use crate::Json;
use crate::event::GroupName;
use crate::operations::dead_letters::dead_letter_topics;
use crate::registry::Registry;

#[event_handler(topic = "parcel_events", event = "PARCEL_SENT", group = "tracking")]
async fn track(_id: Json<u64>) {}

#[event_handler(
    topic = "parcel_events",
    event = "PARCEL_SENT",
    group = "billing",
    dead_letter = "unpaid_parcels"
)]
async fn bill(_id: Json<u64>) {}

#[test]
fn each_group_has_its_own_dead_letter_topic() {
    let registry = Registry::linked().only_modules(&[module_path!().to_owned()]);
    let groups = registry.groups(&GroupName::parse("parcels").unwrap());
    let routers: Vec<_> = groups.values().map(|own| EventRouter::new(own)).collect();
    let needed = needed_topics(registry.handlers(), &routers).unwrap();
    let names: Vec<_> = needed.iter().map(|needed| needed.topic.as_str()).collect();
    let expected =
        ["parcel_events", "parcel_events_dlq", "parcel_events_redrive", "unpaid_parcels"];
    assert_eq!(names, expected);
    let letters = dead_letter_topics(&routers).into_keys();
    let letters: Vec<_> = letters.map(|topic| topic.to_string()).collect();
    assert_eq!(letters, ["parcel_events_dlq", "unpaid_parcels"]);
}
