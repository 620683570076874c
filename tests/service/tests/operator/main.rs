//! What an operator meets, on real brokers: a fault, what the service says to it, after how many seconds,
//! and its exit code or health. Each test prints its rows of the table:
//!
//! ```text
//! cargo test -p service-tests --features tls --test operator -- --ignored --nocapture --test-threads 1
//! ```

#![expect(clippy::unwrap_used, reason = "a test")]

mod cluster;
mod groups;
#[cfg(feature = "tls")]
mod logins;
mod records;
mod rights;
mod service;
#[path = "../shared/mod.rs"]
mod shared;
