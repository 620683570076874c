//! Longer texts, in the order in which they are needed.
//!
//! | to | read |
//! |---|---|
//! | write a handler, and say what its failure does | [`handlers`] |
//! | know what delivery promises: duplicates, order, dead letters | [`delivery`] |
//! | send events, and serve HTTP in the same process | [`sending`] |
//! | test a service in memory | [`testing`] |
//! | change delivery without a rebuild, and bound its memory | [`settings`] |
//! | run on a cluster: topics, logins, ACLs, brokers | [`kafka`] |
//! | run several instances | [`instances`] |
//! | probe it, stop it, know its exit codes | [`health`] |
//! | redrive dead letters, reset offsets, replay | [`operations`] |
//!
//! Four words have one meaning everywhere. A *contract* is the struct of an event, with its topic, name, key and
//! fields. A record is *in flight* while its handler works on it. It is *settled* when it needs no more work: handled,
//! skipped, dead-lettered or moved to a retry topic. To *redrive* a dead letter is to send it back to the handler that
//! failed, and only to it.

#[doc = include_str!("guide/handlers.md")]
pub mod handlers {}

#[doc = include_str!("guide/delivery.md")]
pub mod delivery {}

#[doc = include_str!("guide/sending.md")]
pub mod sending {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[doc = include_str!("guide/settings.md")]
pub mod settings {}

#[doc = include_str!("guide/kafka.md")]
pub mod kafka {}

#[doc = include_str!("guide/instances.md")]
pub mod instances {}

#[doc = include_str!("guide/health.md")]
pub mod health {}

#[doc = include_str!("guide/operations.md")]
pub mod operations {}
