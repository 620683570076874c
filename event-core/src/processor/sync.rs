//! What threads share, in one place, so that a test can try every order in which they meet.

#[cfg(not(all(test, event_core_loom)))]
pub(super) use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, AtomicU32, Ordering},
};

#[cfg(all(test, event_core_loom))]
pub(super) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU32, Ordering},
};
#[cfg(all(test, event_core_loom))]
pub(super) use std::sync::PoisonError;
