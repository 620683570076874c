//! How a handler wants its records delivered.

use std::fmt;
use std::time::Duration;

use crate::event::setting_words;
use crate::outcome::{Error, Jitter};

/// What the attribute says about the delivery of a handler's records. What it leaves out is the
/// service's setting.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DeliveryOptions {
    /// The consumer group; the service's unless given.
    pub group: Option<&'static str>,
    /// In which order its records are handled.
    pub order: Order,
    /// How many of its records are in flight at once at most, over all partitions of the process;
    /// 1 unless given. What keeps the order of the partition never has more than one of each.
    pub concurrency: Option<u32>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How failures are retried.
    pub retry: RetryOptions,
    /// How many records it takes at once.
    pub batch: Option<BatchOptions>,
    /// Failures in a row that open its circuit breaker; 0 never opens it.
    pub breaker_failures: Option<u32>,
    /// How long the breaker stays open: the first time, and at most.
    pub breaker_pause: Option<(Duration, Duration)>,
}

/// In which order the records of a partition are handled.
///
/// Two records are handled one after the other unless one of them is for a handler without order,
/// or both are for handlers by key and their keys differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// As they lie in the partition.
    #[default]
    Partition,
    /// Those of one key in the order of the partition, different keys concurrently. A record without
    /// a key has no order.
    Key,
    /// Any.
    None,
}

setting_words!(Order: Partition = "partition", Key = "key", None = "none");

/// How failures are retried, as far as the attribute says.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct RetryOptions {
    /// How often a record is tried in place; at least 1.
    pub attempts: Option<u32>,
    /// The shortest and longest delay.
    pub backoff: Option<(Duration, Duration)>,
    /// How much of a delay is chance.
    pub jitter: Option<Jitter>,
    /// Whether an error is worth another attempt; every error is unless given. It is asked only
    /// where the error itself does not say.
    pub on: Option<fn(&Error) -> bool>,
    /// After the attempts in place, the record waits this long in a topic of its own and is retried, once for each delay.
    pub topics: &'static [Duration],
}

impl fmt::Debug for RetryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryOptions")
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .field("jitter", &self.jitter)
            .field("on", &self.on.is_some())
            .field("topics", &self.topics)
            .finish()
    }
}

/// How many records a handler takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// At most so many; at least 1.
    pub max: u32,
    /// How long the first record of a batch waits for more.
    pub wait: Duration,
}

impl BatchOptions {
    /// 500 records.
    pub const DEFAULT_MAX: u32 = 500;
    /// 50 ms.
    pub const DEFAULT_WAIT: Duration = Duration::from_millis(50);
}

impl Default for BatchOptions {
    fn default() -> Self {
        BatchOptions { max: Self::DEFAULT_MAX, wait: Self::DEFAULT_WAIT }
    }
}

/// When the circuit breaker of a handler opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// After so many failed attempts without a success between; 0 is never.
    pub failures: u32,
    /// How long the breaker stays open: the first time, and at most.
    pub pause: (Duration, Duration),
}

impl Default for BreakerOptions {
    /// After 20 failures, for 5 s to a minute.
    fn default() -> Self {
        BreakerOptions { failures: 20, pause: (Duration::from_secs(5), Duration::from_secs(60)) }
    }
}

// What the attribute generates.
#[doc(hidden)]
impl DeliveryOptions {
    #[must_use]
    pub const fn new() -> Self {
        DeliveryOptions {
            group: None,
            order: Order::Partition,
            concurrency: None,
            timeout: None,
            retry: RetryOptions {
                attempts: None,
                backoff: None,
                jitter: None,
                on: None,
                topics: &[],
            },
            batch: None,
            breaker_failures: None,
            breaker_pause: None,
        }
    }
}

/// Named as the keys in `event_names::delivery`, times with `_ms`.
macro_rules! setters {
    ($($name:ident($options:ident, $($value:ident: $ty:ty),+) $set:expr;)+) => {
        #[doc(hidden)]
        impl DeliveryOptions {
            $(
                #[must_use]
                pub const fn $name(self, $($value: $ty),+) -> Self {
                    let mut $options = self;
                    $set;
                    $options
                }
            )+
        }
    };
}

setters! {
    group(options, group: &'static str) options.group = Some(group);
    order(options, order: Order) options.order = order;
    concurrency(options, calls: u32) options.concurrency = Some(calls);
    timeout_ms(options, ms: u64) options.timeout = Some(Duration::from_millis(ms));
    attempts(options, attempts: u32) options.retry.attempts = Some(attempts);
    backoff_ms(options, first: u64, longest: u64) options.retry.backoff = Some(range(first, longest));
    jitter(options, jitter: Jitter) options.retry.jitter = Some(jitter);
    retry_on(options, on: fn(&Error) -> bool) options.retry.on = Some(on);
    retry_topics(options, delays: &'static [Duration]) options.retry.topics = delays;
    batch_max(options, max: u32) options.batch = Some(BatchOptions { max, ..options.some_batch() });
    batch_wait_ms(options, ms: u64) options.batch = Some(BatchOptions {
        wait: Duration::from_millis(ms),
        ..options.some_batch()
    });
    breaker_failures(options, failures: u32) options.breaker_failures = Some(failures);
    breaker_pause_ms(options, first: u64, longest: u64) options.breaker_pause = Some(range(first, longest));
}

impl DeliveryOptions {
    const fn some_batch(&self) -> BatchOptions {
        match self.batch {
            Some(batch) => batch,
            None => {
                BatchOptions { max: BatchOptions::DEFAULT_MAX, wait: BatchOptions::DEFAULT_WAIT }
            }
        }
    }
}

const fn range(first_ms: u64, longest_ms: u64) -> (Duration, Duration) {
    (Duration::from_millis(first_ms), Duration::from_millis(longest_ms))
}

#[cfg(test)]
mod tests {
    use event_names::delivery::{BATCH_MAX, BATCH_WAIT, Unless};

    use super::*;

    #[test]
    fn a_batch_of_which_nothing_is_said_is_as_documented() {
        let BatchOptions { max, wait } = BatchOptions::default();
        let documented = [BATCH_MAX, BATCH_WAIT].map(|key| match key.unless_given {
            Unless::Is(text) => text,
            _ => key.name,
        });
        assert_eq!(documented, [max.to_string(), format!("{wait:?}")]);
        assert_eq!(DeliveryOptions::new().batch_max(3).batch, Some(BatchOptions { max: 3, wait }));
    }
}
