//! How the records of a handler are delivered, for people and for tools.

use std::time::Duration;

use event_names::duration_text;
use serde::Serialize;

use crate::handler::{HandlerPolicy, Order};
use crate::outcome::Jitter;
use crate::processor::DeliveryPolicy;

/// The whole policy of a handler, as JSON.
#[derive(Serialize)]
pub(super) struct Delivery {
    order: String,
    concurrency: u32,
    attempts: u32,
    backoff: String,
    jitter: &'static str,
    /// Whether a function of the handler says which errors are tried again.
    retry_on: bool,
    timeout: Option<String>,
    retry_topics: Vec<String>,
    batch: Option<Batch>,
    breaker: Breaker,
}

#[derive(Serialize)]
struct Batch {
    max: u32,
    wait: String,
}

#[derive(Serialize)]
struct Breaker {
    failures: u32,
    pause: String,
}

impl From<&HandlerPolicy> for Delivery {
    fn from(policy: &HandlerPolicy) -> Self {
        Delivery {
            order: policy.order.to_string(),
            concurrency: policy.concurrency,
            attempts: policy.attempts,
            backoff: range((policy.backoff.first, policy.backoff.longest)),
            jitter: jitter(policy.backoff.jitter),
            retry_on: policy.retry_on.is_some(),
            timeout: policy.timeout.map(duration),
            retry_topics: policy.retry_topics.iter().copied().map(duration).collect(),
            batch: policy.batch.map(|batch| Batch { max: batch.max, wait: duration(batch.wait) }),
            breaker: Breaker {
                failures: policy.breaker.failures,
                pause: range(policy.breaker.pause),
            },
        }
    }
}

/// What of a policy differs from that of a handler that says nothing, in the words of the attribute.
pub(super) fn differences(policy: &HandlerPolicy, service: &DeliveryPolicy) -> String {
    let mut words = Vec::new();
    if policy.order != Order::Partition {
        words.push(format!("order={}", policy.order));
    }
    if policy.concurrency != 1 {
        words.push(format!("concurrency={}", policy.concurrency));
    }
    if let Some(batch) = &policy.batch {
        words.push(format!("batch={}/{}", batch.max, duration(batch.wait)));
    }
    if policy.attempts != service.attempts {
        words.push(format!("attempts={}", policy.attempts));
    }
    let (backoff, usual) = (&policy.backoff, &service.backoff);
    if (backoff.first, backoff.longest) != (usual.first, usual.longest) {
        words.push(format!("backoff={}", range((backoff.first, backoff.longest))));
    }
    if backoff.jitter != usual.jitter {
        words.push(format!("jitter={}", jitter(backoff.jitter)));
    }
    if policy.timeout != service.timeout {
        words.push(format!("timeout={}", policy.timeout.map_or("none".to_owned(), duration)));
    }
    if !policy.retry_topics.is_empty() {
        words.push(format!("topics={}", durations(policy.retry_topics).join(",")));
    }
    if policy.breaker != service.breaker {
        let pause = range(policy.breaker.pause);
        words.push(match policy.breaker.failures {
            0 => "breaker=never".to_owned(),
            failures => format!("breaker={failures}/{pause}"),
        });
    }
    words.join(" ")
}

/// In its shortest form, as it is written in settings and attributes.
pub(super) fn duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    duration_text(ms).as_str().to_owned()
}

pub(super) fn durations(all: &[Duration]) -> Vec<String> {
    all.iter().copied().map(duration).collect()
}

pub(super) fn range((first, longest): (Duration, Duration)) -> String {
    format!("{}..{}", duration(first), duration(longest))
}

pub(super) fn jitter(jitter: Jitter) -> &'static str {
    match jitter {
        Jitter::None => "none",
        Jitter::Equal => "equal",
        Jitter::Full => "full",
    }
}
