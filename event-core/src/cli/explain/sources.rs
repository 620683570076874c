//! The settings that decide about an event, each with what gave it.

use std::borrow::Cow;

use serde::Serialize;

use crate::app::{Origin, Settings};
use crate::cli::delivery::{duration, durations, jitter, range};
use crate::handler::Order;
use crate::processor::UnknownEvents;
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
    let (policy, options) = (settings.policy.of(route.handler), &route.handler.options);
    let retry = &options.retry;
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
    let setting = |key: &'static str, value: String, in_attribute: bool| Setting {
        key: key.into(),
        value,
        source: source(key, in_attribute),
    };
    let mut all =
        vec![setting("order", policy.order.to_string(), policy.order != Order::Partition)];
    // What keeps the order of the partition has no use for it, whoever gives it.
    if policy.order != Order::Partition {
        let concurrency = policy.concurrency.to_string();
        all.push(setting("concurrency", concurrency, options.concurrency.is_some()));
    }
    if let Some(batch) = &policy.batch {
        let value = format!("{} within {}", batch.max, duration(batch.wait));
        all.push(setting("batch", value, options.batch.is_some()));
    }
    let timeout = policy.timeout.map_or_else(|| "none".to_owned(), duration);
    let (backoff, breaker) = (&policy.backoff, &policy.breaker);
    all.extend([
        setting("attempts", policy.attempts.to_string(), retry.attempts.is_some()),
        setting("backoff", range((backoff.first, backoff.longest)), retry.backoff.is_some()),
        setting("jitter", jitter(backoff.jitter).to_owned(), retry.jitter.is_some()),
        setting("timeout", timeout, options.timeout.is_some()),
    ]);
    if !policy.retry_topics.is_empty() {
        all.push(setting("retry topics", durations(policy.retry_topics).join(", "), true));
    }
    let (failures, pause) = (options.breaker_failures.is_some(), options.breaker_pause.is_some());
    all.push(setting("breaker_failures", breaker.failures.to_string(), failures));
    all.push(setting("breaker_pause", range(breaker.pause), pause));
    all
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
        format!("`dead_letter` of {}, {}", route.handler.name, route.handler.place())
    };
    let source = given.map_or_else(|| "default".to_owned(), by);
    Setting { key: "dead letters".into(), value: topic.to_owned(), source }
}

/// What becomes of the events of a topic that no handler takes.
pub(super) fn of_unknown_events(settings: &Settings, topic: &str) -> Setting {
    let key = "unknown_events";
    let origin = settings.origin_for_topic(topic, key).or_else(|| settings.origin(key));
    let value = match settings.policy.unknown_events(topic) {
        UnknownEvents::Skip => "skip",
        UnknownEvents::DeadLetter => "dead_letter",
        UnknownEvents::Stop => "stop",
    };
    let source = origin.map_or_else(|| "default".to_owned(), |origin| origin.source.clone());
    Setting { key: key.into(), value: value.to_owned(), source }
}
