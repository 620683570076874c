//! The settings that decide about an event, each with what gave it.

use std::borrow::Cow;

use event_names::delivery::TIMEOUT;
use serde::Serialize;

use crate::app::{Origin, Settings};
use crate::handler::DeliveryValue;
use crate::router::Route;

/// A setting with what gave it.
#[derive(Serialize)]
pub(super) struct Setting {
    key: Cow<'static, str>,
    value: String,
    source: String,
}

impl Setting {
    pub(super) fn row(&self) -> [String; 3] {
        [self.key.to_string(), self.value.clone(), self.source.clone()]
    }
}

/// The settings that no handler has of its own.
pub(super) fn common(settings: &Settings) -> Vec<Setting> {
    let all = settings.common();
    all.map(|(key, Origin { value, source })| Setting { key: key.into(), value, source }).collect()
}

/// The settings of one handler: what the file says of it, or its attribute, or what holds for all.
pub(super) fn of_route(settings: &Settings, route: &Route) -> Vec<Setting> {
    let source = |key: &'static str, in_attribute: bool| {
        if let Some(origin) = settings.origin_for_handler(&route.id, key) {
            return origin.source.clone();
        }
        match settings.origin(key) {
            _ if in_attribute => "its attribute".to_owned(),
            Some(origin) => origin.source.clone(),
            None => "default".to_owned(),
        }
    };
    let values = settings.policy.of(route.handler).values(&route.handler.options);
    let values = values.into_iter().filter(|value| !value.is_idle);
    let values = values.map(|DeliveryValue { key, text, in_attribute, .. }| {
        // What is `blocking` has no time limit, whatever the settings say for all.
        let is_blocked = *key == TIMEOUT && route.handler.blocking;
        let source = source(key.name, in_attribute || is_blocked);
        Setting { key: key.name.into(), value: text, source }
    });
    values.collect()
}

/// The group, by the attribute of the handlers or for all.
pub(super) fn of_group(settings: &Settings, group: &str) -> Setting {
    let common = settings.origin("group").filter(|origin| origin.value == group);
    let source = common.map_or_else(
        || "the attributes of its handlers".to_owned(),
        |origin| origin.source.clone(),
    );
    Setting { key: "group".into(), value: group.to_owned(), source }
}

/// Where the dead letters of a topic go; `given` is the handler whose attribute says it.
pub(super) fn of_dead_letters(topic: &str, given: Option<&Route>) -> Setting {
    let by = |route: &Route| {
        format!("`dead_letter` of {}, {}", route.handler.name, route.handler.source())
    };
    let source = given.map_or_else(|| "default".to_owned(), by);
    Setting { key: "dead letters".into(), value: topic.to_owned(), source }
}

/// What becomes of the events of a topic that no handler takes.
pub(super) fn of_unknown_events(settings: &Settings, topic: &str) -> Setting {
    let key = "unknown_events";
    let origin = settings.origin_for_topic(topic, key).or_else(|| settings.origin(key));
    let value = settings.policy.unknown_events(topic).to_string();
    let source = origin.map_or_else(|| "default".to_owned(), |origin| origin.source.clone());
    Setting { key: key.into(), value, source }
}
