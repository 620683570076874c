//! Keeps an audit log: one row for each thing that happens to a user or a role.
//!
//! Three layers, each knowing only those above it: what an audit log is, which event becomes
//! which entry, and where the rows lie.

pub mod domain;

pub mod application;

pub mod infrastructure;
