//! Processes of one consumer group that are killed, frozen and asked to stop while events come, and
//! a checker that reads what each of them wrote down.
//!
//! [`scenario`] runs it: a broker, a driver that publishes numbered events per key and knows which
//! were acknowledged, the members as processes of their own, and faults. Every member writes each
//! execution of a handler into a journal of its own; [`journal_check`] holds the journals together against
//! what was acknowledged, and says of every repetition what explains it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "only tests use it")]

pub mod journal_check;
pub mod cluster;
pub mod cost;
pub mod driver;
pub mod events;
pub mod fleet;
pub mod gaps;
pub mod journal;
pub mod member;
pub mod scenario;
pub mod sharing;
pub mod shutdown;
pub mod table;
