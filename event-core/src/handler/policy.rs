//! How the records of one handler are delivered, when everything that has a say is heard.

use std::time::Duration;

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
    /// When it is left alone for a while.
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
    /// After how many failures it is left alone; 0 is never.
    pub breaker_failures: Option<u32>,
    /// For how long: the first time, and at most.
    pub breaker_pause: Option<(Duration, Duration)>,
}

/// What holds for a handler that says nothing.
#[derive(Clone, Copy, Debug)]
pub struct HandlerDefaults {
    /// How often a record is tried in place.
    pub attempts: u32,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// When a handler is left alone.
    pub breaker: BreakerOptions,
}

impl Default for HandlerDefaults {
    /// 5 attempts, 200 ms to 30 s apart, without a limit of time.
    fn default() -> Self {
        HandlerDefaults {
            attempts: 5,
            backoff: Backoff::default(),
            timeout: None,
            breaker: BreakerOptions::default(),
        }
    }
}

impl HandlerPolicy {
    /// The policy of `handler`.
    #[must_use]
    pub fn of(
        handler: &HandlerRegistration,
        defaults: HandlerDefaults,
        overrides: &HandlerOverrides,
    ) -> Self {
        let options = &handler.options;
        let retry = &options.retry;
        let (first, longest) = overrides
            .backoff
            .or(retry.backoff)
            .unwrap_or((defaults.backoff.first, defaults.backoff.longest));
        let jitter = overrides.jitter.or(retry.jitter).unwrap_or(defaults.backoff.jitter);
        let concurrency = match options.order {
            // Each partition has its own; what keeps the order has no use for more.
            Order::Partition => 1,
            Order::Key | Order::None => overrides.concurrency.or(options.concurrency).unwrap_or(1),
        };
        HandlerPolicy {
            order: options.order,
            concurrency: concurrency.max(1),
            attempts: overrides.attempts.or(retry.attempts).unwrap_or(defaults.attempts).max(1),
            backoff: Backoff { first, longest, jitter },
            retry_on: retry.on,
            retry_topics: retry.topics,
            timeout: match handler.blocking {
                // What cannot be cancelled would go on beside its own next attempt.
                true => None,
                false => overrides.timeout.or(options.timeout).or(defaults.timeout),
            },
            batch: handler.call.takes_batches().then(|| options.batch.unwrap_or_default()),
            breaker: BreakerOptions {
                failures: overrides
                    .breaker_failures
                    .or(options.breaker_failures)
                    .unwrap_or(defaults.breaker.failures),
                pause: overrides
                    .breaker_pause
                    .or(options.breaker_pause)
                    .unwrap_or(defaults.breaker.pause),
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
