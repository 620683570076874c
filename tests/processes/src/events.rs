//! What is published: numbered events of many keys, on two topics.

use event_core::prelude::*;
use serde::{Deserialize, Serialize};

/// Handled with `order = key`, several keys at once.
#[derive(Clone, Debug, Event, Serialize, Deserialize)]
#[event(topic = "payment_events", name = "PAYMENT_MADE", key = account)]
#[serde(rename_all = "camelCase")]
pub struct PaymentMade {
    /// The key.
    pub account: u64,
    /// Counts the events of the key, from 0 on.
    pub sequence: u64,
    /// Distinguishes the events of one test from those of another.
    pub run: u64,
    /// What becomes of it.
    pub behaviour: Behaviour,
}

/// Handled in the order of the partition.
#[derive(Clone, Debug, Event, Serialize, Deserialize)]
#[event(topic = "ledger_events", name = "LEDGER_CHANGED", key = account)]
#[serde(rename_all = "camelCase")]
pub struct LedgerChanged {
    /// The key.
    pub account: u64,
    /// Counts the events of the key, from 0 on.
    pub sequence: u64,
    /// Distinguishes the events of one test from those of another.
    pub run: u64,
    /// What becomes of it.
    pub behaviour: Behaviour,
}

/// What a handler does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Behaviour {
    /// It is done in a while.
    Done,
    /// The first attempt fails.
    FailsOnce,
    /// It never ends.
    NeverEnds,
}

/// The topics, and how many partitions each has.
pub const TOPICS: [(&str, i32); 4] = [
    ("payment_events", PARTITIONS),
    ("payment_events_dlq", 1),
    ("ledger_events", PARTITIONS),
    ("ledger_events_dlq", 1),
];

/// How many partitions a topic of events has.
pub const PARTITIONS: i32 = 6;

/// The topics that handlers listen to.
pub const HANDLED: [&str; 2] = ["payment_events", "ledger_events"];
