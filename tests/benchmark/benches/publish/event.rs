//! The event, as a contract and as one writes it by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use event_benchmark::allocations;
use event_benchmark::cost::{Cost, cpu_time, peak_kib};
use event_core::prelude::*;
use serde::Serialize;

#[derive(Clone, Event, Serialize)]
#[event(topic = "bench_sent", name = "ROLE_GIVEN", key = role_id)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleGiven {
    pub(crate) id: u64,
    pub(crate) role_id: u64,
    pub(crate) note: String,
}

/// What event-core writes around it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope<'a> {
    pub(crate) event_type: &'a str,
    pub(crate) user_id: Option<i64>,
    pub(crate) data: &'a RoleGiven,
    pub(crate) event_id: uuid::Uuid,
    pub(crate) occurred_at: jiff::Timestamp,
    pub(crate) version: u32,
}

pub(crate) fn event(id: u64, note: usize) -> RoleGiven {
    RoleGiven {
        id,
        role_id: id % 1000,
        note: "the role was given to a user who asked for it, "
            .chars()
            .cycle()
            .take(note)
            .collect(),
    }
}

/// Times what is sent; a first event that is not counted finds out where the topic lies.
pub(crate) struct Timer {
    began: Instant,
    cpu: std::time::Duration,
    allocations: u64,
}

impl Timer {
    pub(crate) fn start() -> Self {
        Timer { allocations: allocations::count(), cpu: cpu_time(), began: Instant::now() }
    }

    pub(crate) fn stop(self, records: u64) -> Cost {
        let wall = self.began.elapsed();
        let cpu = cpu_time() - self.cpu;
        let allocations = allocations::count() - self.allocations;
        Cost { records, wall, cpu, sum: 0, peak_kib: peak_kib(), allocations, ..Cost::default() }
    }
}

/// Counts what is acknowledged.
#[derive(Default)]
pub(crate) struct Acknowledged(AtomicU64);

impl Acknowledged {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
