//! Longer texts about running a service.

#[doc = include_str!("guide/kafka.md")]
pub mod kafka {}

#[doc = include_str!("guide/instances.md")]
pub mod instances {}
