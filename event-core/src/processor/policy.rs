//! How records are delivered, and which are too large for it.

use std::time::Duration;

use crate::delivery::RecordRef;
use crate::outcome::{Backoff, Rejection};

/// How records are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// How often a handler is tried before the record is dead-lettered; at least 1.
    pub attempts: u32,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// The largest value that is read, in bytes; a larger one is dead-lettered unread.
    pub max_value_bytes: usize,
    /// The most headers a record may have.
    pub max_headers: usize,
    /// The largest sum of header names and values, in bytes.
    pub max_header_bytes: usize,
    /// How long after a record is settled its offset is committed at the latest.
    pub commit_interval: Duration,
    /// How long a shutdown or a revocation waits for the records in hand.
    pub drain_deadline: Duration,
}

impl Default for DeliveryPolicy {
    /// 5 attempts, 200 ms to 30 s apart; values up to 1 MiB; 1000 headers of 256 KiB; commits every
    /// second; 20 s to drain, so that with the last commit and flush a service ends within the 30 s
    /// that Kubernetes gives it.
    fn default() -> Self {
        DeliveryPolicy {
            attempts: 5,
            backoff: Backoff::default(),
            max_value_bytes: 1 << 20,
            max_headers: 1000,
            max_header_bytes: 256 << 10,
            commit_interval: Duration::from_secs(1),
            drain_deadline: Duration::from_secs(20),
        }
    }
}

impl DeliveryPolicy {
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
