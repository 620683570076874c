//! How the records of one handler are delivered, when attribute, settings and defaults are merged.

use std::time::Duration;

#[cfg(feature = "cli")]
use event_names::delivery as key;
use event_names::duration_text;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::{BatchOptions, BreakerOptions, HandlerRegistration, Order};
use crate::outcome::{Backoff, Error, Jitter};

/// How the records of one handler are delivered: the service's settings, then what the attribute
/// says, then what the settings say about this handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandlerPolicy {
    /// In which order records are handled.
    pub order: Order,
    /// How many of its calls run at once at most.
    pub concurrency: u32,
    /// How often a record is tried in place; at least 1.
    pub attempts: u32,
    /// The delays between attempts in place.
    pub backoff: Backoff,
    /// Whether an error that says nothing itself is worth another attempt; all are without it.
    pub retry_on: Option<fn(&Error) -> bool>,
    /// The delays of the retry topics, in order.
    pub retry_topics: &'static [Duration],
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// How many records it takes at once; `None` when it takes one.
    pub batch: Option<BatchOptions>,
    /// When its circuit breaker opens.
    pub breaker: BreakerOptions,
}

/// What the settings say about one handler: `[handlers."id"]` in `event.toml`. It goes before what
/// the attribute says, so that operations can tune without a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerOverrides {
    /// How often a record is tried in place.
    pub attempts: Option<u32>,
    /// The first and the longest delay.
    pub backoff: Option<(Duration, Duration)>,
    /// How much of a delay is chance.
    pub jitter: Option<Jitter>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// How many calls run at once.
    pub concurrency: Option<u32>,
    /// Failures in a row that open its circuit breaker; 0 never opens it.
    pub breaker_failures: Option<u32>,
    /// For how long: the first time, and at most.
    pub breaker_pause: Option<(Duration, Duration)>,
}

impl HandlerPolicy {
    /// The policy of a handler of which nobody says anything.
    #[must_use]
    pub const fn usual(
        attempts: u32,
        backoff: Backoff,
        timeout: Option<Duration>,
        breaker: BreakerOptions,
    ) -> Self {
        HandlerPolicy {
            order: Order::Partition,
            concurrency: 1,
            attempts,
            backoff,
            retry_on: None,
            retry_topics: &[],
            timeout,
            batch: None,
            breaker,
        }
    }

    /// The policy of `handler`; what nobody says of it is as `usual`.
    #[must_use]
    pub fn of(handler: &HandlerRegistration, usual: &Self, overrides: &HandlerOverrides) -> Self {
        let options = &handler.options;
        let retry = &options.retry;
        let range = overrides.backoff.or(retry.backoff);
        let (first, longest) = range.unwrap_or((usual.backoff.first, usual.backoff.longest));
        let jitter = overrides.jitter.or(retry.jitter).unwrap_or(usual.backoff.jitter);
        let concurrency = match options.order {
            // Each partition has its own; what keeps the order has no use for more.
            Order::Partition => None,
            Order::Key | Order::None => overrides.concurrency.or(options.concurrency),
        };
        let failures = overrides.breaker_failures.or(options.breaker_failures);
        let pause = overrides.breaker_pause.or(options.breaker_pause);
        HandlerPolicy {
            order: options.order,
            concurrency: concurrency.unwrap_or(usual.concurrency).max(1),
            attempts: overrides.attempts.or(retry.attempts).unwrap_or(usual.attempts).max(1),
            backoff: Backoff { first, longest, jitter },
            retry_on: retry.on,
            retry_topics: retry.topics,
            timeout: match handler.blocking {
                // What cannot be cancelled would go on beside its own next attempt.
                true => None,
                false => overrides.timeout.or(options.timeout).or(usual.timeout),
            },
            batch: handler.call.takes_batches().then(|| options.batch.unwrap_or_default()),
            breaker: BreakerOptions {
                failures: failures.unwrap_or(usual.breaker.failures),
                pause: pause.unwrap_or(usual.breaker.pause),
            },
        }
    }

    /// How often a record is tried at most, in place and through the retry topics.
    #[must_use]
    pub fn all_attempts(&self) -> u32 {
        let through_topics = u32::try_from(self.retry_topics.len()).unwrap_or(u32::MAX);
        self.attempts.saturating_add(through_topics)
    }
}

// What commands print.
#[cfg(feature = "cli")]
impl HandlerPolicy {
    /// What holds for each key, beside what the attribute says.
    pub(crate) fn values(&self, said: &super::DeliveryOptions) -> Vec<DeliveryValue> {
        let (retry, backoff, breaker) = (&said.retry, &self.backoff, &self.breaker);
        let none = || "none".to_owned();
        let max = self.batch.map_or_else(none, |batch| batch.max.to_string());
        let wait = self.batch.map_or_else(none, |batch| duration(batch.wait));
        let timeout = self.timeout.map_or_else(none, duration);
        let backoff_range = range((backoff.first, backoff.longest));
        let topics = durations(self.retry_topics).join(", ");
        // What keeps the order of the partition has no use for more calls, whoever gives them.
        let (by_partition, no_batch) = (self.order == Order::Partition, self.batch.is_none());
        let failures = said.breaker_failures.is_some();
        let values = [
            (&key::ORDER, self.order.to_string(), !by_partition, false),
            (
                &key::CONCURRENCY,
                self.concurrency.to_string(),
                said.concurrency.is_some(),
                by_partition,
            ),
            (&key::BATCH_MAX, max, said.batch.is_some(), no_batch),
            (&key::BATCH_WAIT, wait, said.batch.is_some(), no_batch),
            (&key::ATTEMPTS, self.attempts.to_string(), retry.attempts.is_some(), false),
            (&key::BACKOFF, backoff_range, retry.backoff.is_some(), false),
            (&key::JITTER, backoff.jitter.to_string(), retry.jitter.is_some(), false),
            (&key::TIMEOUT, timeout, said.timeout.is_some(), false),
            (&key::RETRY_TOPICS, topics, true, self.retry_topics.is_empty()),
            (&key::BREAKER_FAILURES, breaker.failures.to_string(), failures, false),
            (&key::BREAKER_PAUSE, range(breaker.pause), said.breaker_pause.is_some(), false),
        ];
        let value =
            |(key, text, in_attribute, is_idle)| DeliveryValue { key, text, in_attribute, is_idle };
        values.map(value).into()
    }
}

/// The value of a key for one handler.
#[cfg(feature = "cli")]
pub(crate) struct DeliveryValue {
    pub(crate) key: &'static event_names::delivery::DeliveryKey,
    pub(crate) text: String,
    /// Whether the attribute says it.
    pub(crate) in_attribute: bool,
    /// Whether it makes no difference to this handler.
    pub(crate) is_idle: bool,
}

/// As commands print it.
impl Serialize for HandlerPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_struct("HandlerPolicy", 10)?;
        all.serialize_field("order", &self.order.to_string())?;
        all.serialize_field("concurrency", &self.concurrency)?;
        all.serialize_field("attempts", &self.attempts)?;
        all.serialize_field("backoff", &range((self.backoff.first, self.backoff.longest)))?;
        all.serialize_field("jitter", &self.backoff.jitter.to_string())?;
        // Whether a function of the handler says which errors are retried.
        all.serialize_field("retry_on", &self.retry_on.is_some())?;
        all.serialize_field("timeout", &self.timeout.map(duration))?;
        all.serialize_field("retry_topics", &durations(self.retry_topics))?;
        let batch =
            self.batch.map(|batch| json!({ "max": batch.max, "wait": duration(batch.wait) }));
        all.serialize_field("batch", &batch)?;
        let (failures, pause) = (self.breaker.failures, range(self.breaker.pause));
        all.serialize_field("breaker", &json!({ "failures": failures, "pause": pause }))?;
        all.end()
    }
}

/// In its shortest form, as it is written in settings and attributes.
pub(crate) fn duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    duration_text(ms).as_str().to_owned()
}

pub(crate) fn durations(all: &[Duration]) -> Vec<String> {
    all.iter().copied().map(duration).collect()
}

fn range((first, longest): (Duration, Duration)) -> String {
    format!("{}..{}", duration(first), duration(longest))
}
