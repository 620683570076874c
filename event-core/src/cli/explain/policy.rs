//! What the settings make of an event: how often it is tried, and what becomes of it then.

use std::time::Duration;

use serde::Serialize;

use crate::app::Settings;
use crate::processor::DeliveryPolicy;

// What decides about a record; the others are of the connection.
const KEYS: [&str; 8] = [
    "group",
    "attempts",
    "backoff",
    "max_value_bytes",
    "max_headers",
    "max_header_bytes",
    "commit_interval",
    "drain",
];

// More delays than this are not told one by one.
const DELAYS: u32 = 6;

/// A setting with what gave it.
#[derive(Serialize)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) value: String,
    pub(super) source: String,
}

pub(super) fn settings_of(settings: &Settings) -> Vec<Setting> {
    let settings = KEYS.iter().filter_map(|key| {
        let origin = settings.origin(key)?;
        Some(Setting { key, value: origin.value.clone(), source: origin.source.clone() })
    });
    settings.collect()
}

/// What a failure does, a sentence each.
pub(super) fn on_failure(policy: &DeliveryPolicy, dead_letters: &str) -> Vec<String> {
    let tried = match policy.attempts {
        1 => {
            format!("a record whose handler fails is not tried again and goes to `{dead_letters}`")
        }
        attempts => format!(
            "a record whose handler fails or panics is tried {attempts} times in all, then goes to `{dead_letters}`"
        ),
    };
    let mut words = vec![tried];
    if policy.attempts > 1 {
        words.push(format!(
            "between the attempts it waits at most {}, at least half of that; the records behind it on the partition wait too",
            delays(policy)
        ));
    }
    words.push(format!(
        "an error that is `.dead_letter()`, a record that cannot be decoded, and one over a limit go to `{dead_letters}` at once"
    ));
    words
}

fn delays(policy: &DeliveryPolicy) -> String {
    let last = policy.attempts - 1;
    let shown = |delay: Duration| format!("{delay:?}");
    let mut delays: Vec<_> =
        (1..=last.min(DELAYS)).map(|n| shown(policy.backoff.longest_delay(n))).collect();
    if last > DELAYS {
        delays.push(format!("and so on up to {}", shown(policy.backoff.longest_delay(last))));
    }
    delays.join(", ")
}
