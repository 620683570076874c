//! What the benchmarks share: `cargo bench -p event-benchmark`.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "benchmarks")]

pub mod allocations;
pub mod broker;
pub mod cost;
pub mod sides;
