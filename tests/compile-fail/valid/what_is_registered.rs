#![deny(warnings)]

use std::borrow::Cow;

use event_core::event::KeySource;
use event_core::prelude::*;
use event_core::registry::Registry;
use serde::Deserialize;

/// A claim was attached
/// to a role.
///
/// Second paragraph.
#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = r#type)]
struct ClaimAdded<'a> {
    id: i64,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "PING")]
struct Ping {}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "ROLE_CHANGED")]
#[allow(dead_code)]
enum RoleChanged {
    Renamed { name: String },
    Removed,
}

mod inner {
    use super::*;

    #[event_handler]
    pub async fn on_claim_added(event: Event<ClaimAdded<'_>>, State(_log): State<String>) {
        let _ = event.id;
    }
}

fn main() {
    let registry = Registry::linked();
    let [handler] = registry.handlers() else { panic!("{registry:?}") };
    assert_eq!(handler.id(), "inner::on_claim_added");
    assert!(handler.file.ends_with("what_is_registered.rs"), "{}", handler.file);
    // The line of the name, not of the attribute above it.
    assert_eq!(handler.line, 38);
    assert_eq!(handler.requirements().states()[0].type_name(), "alloc::string::String");

    let names: Vec<_> = registry.contracts().iter().map(|contract| contract.name).collect();
    assert_eq!(names, ["CLAIM_ADDED", "PING", "ROLE_CHANGED"]);
    let info = ClaimAdded::INFO;
    assert_eq!((info.type_name, info.key, info.line), ("ClaimAdded", KeySource::Field("type"), 16));
    assert_eq!(info.description, "A claim was attached\nto a role.\n\nSecond paragraph.");
    let fields: Vec<_> = info.fields.iter().map(|field| (field.name, field.type_name)).collect();
    assert_eq!(fields, [("id", "i64"), ("type", "Cow<'a, str>")]);
    assert_eq!(ClaimAdded { id: 7, r#type: "x".into() }.key().as_deref(), Some("x"));
    assert!(info.object && !info.empty);
    assert!(Ping::INFO.object && Ping::INFO.empty);
    assert!(!RoleChanged::INFO.object && !RoleChanged::INFO.empty);
    assert!(RoleChanged::INFO.fields.is_empty());
}
