//! What the test binaries share: a contract, and a place where handlers leave what they saw.

use std::sync::{Arc, Mutex, PoisonError};

use event_core::prelude::*;
use serde::{Deserialize, Serialize};

/// The event that most tests send.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = role_id)]
#[serde(rename_all = "camelCase")]
pub struct ClaimAdded {
    /// The claim.
    pub id: u64,
    /// The role.
    pub role_id: i64,
}

/// What handlers saw, in order. Cloning it shares the list.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<u64>>>);

impl Seen {
    /// Notes `id` and returns how often it was noted by now.
    pub fn note(&self, id: u64) -> usize {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(id);
        seen.iter().filter(|other| **other == id).count()
    }

    /// Everything noted.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A claim of one role.
#[must_use]
pub fn claim(id: u64) -> ClaimAdded {
    ClaimAdded { id, role_id: 3 }
}

/// How the commands show the delivery of a handler that says nothing of it, where the settings say
/// nothing either.
#[must_use]
pub fn delivery_unless_said() -> serde_json::Value {
    serde_json::json!({
        "order": "partition",
        "concurrency": 1,
        "attempts": 5,
        "backoff": "200ms..30s",
        "jitter": "equal",
        "retry_on": false,
        "timeout": null,
        "retry_topics": [],
        "batch": null,
        "breaker": { "failures": 20, "pause": "5s..1m" },
    })
}
