//! How records are delivered, and which are too large for it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::delivery::RecordRef;
use crate::event::{Envelope, EnvelopeError, EnvelopeRules, KnownShape, excerpt, setting_words};
use crate::handler::{BreakerOptions, HandlerOverrides, HandlerPolicy, HandlerRegistration};
use crate::outcome::{Backoff, Rejection};

/// How records are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// How often a handler is tried before the record is dead-lettered; at least 1.
    pub attempts: u32,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// How long an attempt may take; without a limit unless set. A `blocking` handler has none.
    pub timeout: Option<Duration>,
    /// When the circuit breaker of a handler opens.
    pub breaker: BreakerOptions,
    /// What is said about single handlers, by their ids.
    pub handlers: BTreeMap<String, HandlerOverrides>,
    /// How many calls of handlers that do not keep the order of the partition run at once at most,
    /// over all groups of a process.
    pub max_concurrency: usize,
    /// What becomes of an event that nobody handles.
    pub unknown_events: UnknownEvents,
    /// The same for single topics, by their names.
    pub unknown_events_of: BTreeMap<String, UnknownEvents>,
    /// The largest value that is read, in bytes; a larger one is dead-lettered unread.
    pub max_value_bytes: usize,
    /// The most headers a record may have.
    pub max_headers: usize,
    /// The largest sum of header names and values, in bytes.
    pub max_header_bytes: usize,
    /// How what is not clear in a record is read.
    pub envelope: EnvelopeRules,
    /// How long after a record is settled its offset is committed at the latest.
    pub commit_interval: Duration,
    /// After how many settled records offsets are committed, however short the time.
    pub commit_records: u64,
    /// How many bytes of a commit's metadata may say what is settled above its offset: Kafka takes
    /// 4096 unless `offset.metadata.max.bytes` says otherwise.
    pub max_metadata_bytes: usize,
    /// How long a shutdown or a revocation waits for the records in flight.
    pub drain_timeout: Duration,
}

/// What becomes of an event that nobody handles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownEvents {
    /// It is passed over and counted.
    #[default]
    Skip,
    /// It is dead-lettered, with the reason `unknown_event`.
    DeadLetter,
    /// The service stops before it, with an error.
    Stop,
}

setting_words!(UnknownEvents: Skip = "skip", DeadLetter = "dead_letter", Stop = "stop");

/// Why a record is dead-lettered whose event nobody handles.
pub(crate) const UNKNOWN_EVENT: &str = "unknown_event";

/// What is said of such a record.
pub(crate) fn unknown_event(name: &str) -> Rejection {
    let message = format!("no handler takes the event `{}`", excerpt(name, 64));
    Rejection::Refused { code: UNKNOWN_EVENT, message }
}

impl Default for DeliveryPolicy {
    /// 5 attempts, 200 ms to 30 s apart, without a limit of time; 1000 calls at once; values up to
    /// 1 MiB; 1000 headers of 256 KiB; commits every second and every 100 000 records; 20 s to drain,
    /// so that with the last commit and flush a service ends within the 30 s that Kubernetes gives
    /// it.
    fn default() -> Self {
        DeliveryPolicy {
            attempts: 5,
            backoff: Backoff::default(),
            timeout: None,
            breaker: BreakerOptions::default(),
            handlers: BTreeMap::new(),
            max_concurrency: 1000,
            unknown_events: UnknownEvents::Skip,
            unknown_events_of: BTreeMap::new(),
            max_value_bytes: 1 << 20,
            max_headers: 1000,
            max_header_bytes: 256 << 10,
            envelope: EnvelopeRules::default(),
            commit_interval: Duration::from_secs(1),
            commit_records: 100_000,
            max_metadata_bytes: 4096,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

impl DeliveryPolicy {
    /// How the records of `handler` are delivered.
    #[must_use]
    pub fn of(&self, handler: &HandlerRegistration) -> HandlerPolicy {
        let none = HandlerOverrides::default();
        let overrides = self.handlers.get(&handler.id());
        HandlerPolicy::of(handler, &self.usual(), overrides.unwrap_or(&none))
    }

    /// How the records of a handler are delivered of which nobody says anything.
    pub(crate) fn usual(&self) -> HandlerPolicy {
        HandlerPolicy::usual(self.attempts, self.backoff, self.timeout, self.breaker)
    }

    /// What becomes of an event of `topic` that nobody handles.
    #[must_use]
    pub fn unknown_events(&self, topic: &str) -> UnknownEvents {
        self.unknown_events_of.get(topic).copied().unwrap_or(self.unknown_events)
    }

    /// The outer object of a record that is not too large to be read; `None` for a tombstone.
    pub(crate) fn read<'a>(
        &self,
        record: RecordRef<'a>,
    ) -> Result<Option<Envelope<'a>>, Rejection> {
        self.admit(record)?;
        match record.value.map(|value| Envelope::read_with(value, self.envelope)) {
            None => Ok(None),
            Some(Ok(envelope)) => Ok(Some(envelope)),
            Some(Err(EnvelopeError::MissingEventType { near, shape: None })) => {
                let shape = KnownShape::of_headers(record.headers().map(|(name, _)| name));
                Err(EnvelopeError::MissingEventType { near, shape }.into())
            }
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Refuses a record that is too large to be read at all.
    pub(crate) fn admit(&self, record: RecordRef<'_>) -> Result<(), Rejection> {
        let value = record.value.map_or(0, <[u8]>::len);
        if value > self.max_value_bytes {
            let limit = self.max_value_bytes;
            return Err(over(
                "value_too_large",
                "the value has",
                value,
                "bytes",
                limit,
                "max_value_bytes",
            ));
        }
        let headers = record.header_count();
        if headers > self.max_headers {
            let limit = self.max_headers;
            return Err(over(
                "too_many_headers",
                "the record has",
                headers,
                "headers",
                limit,
                "max_headers",
            ));
        }
        let sizes = record.headers().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
        let bytes: usize = if headers == 0 { 0 } else { sizes.sum() };
        if bytes > self.max_header_bytes {
            let limit = self.max_header_bytes;
            return Err(over(
                "headers_too_large",
                "the headers have",
                bytes,
                "bytes",
                limit,
                "max_header_bytes",
            ));
        }
        Ok(())
    }
}

fn over(
    code: &'static str,
    what: &str,
    found: usize,
    unit: &str,
    limit: usize,
    setting: &str,
) -> Rejection {
    let message = format!("{what} {found} {unit}, the limit is {limit} (setting `{setting}`)");
    Rejection::Refused { code, message }
}
