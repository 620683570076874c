//! Which clients of librdkafka are not gone yet.
//!
//! A client goes away on a thread of ours, because that can take long. When the process ends
//! meanwhile, the C library runs OpenSSL's exit handler while threads of librdkafka still use OpenSSL,
//! and the process dies by SIGSEGV in place of its exit code. So the end of the process waits for the
//! clients, a second at most, and then leaves out the exit handlers. Each client counts until it is destroyed.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::raw;

/// How many are open.
struct Clients {
    open: Mutex<usize>,
    gone: Condvar,
}

static CLIENTS: Clients = Clients::new();

impl Clients {
    const fn new() -> Clients {
        Clients { open: Mutex::new(0), gone: Condvar::new() }
    }

    fn open(&'static self) -> OpenClient {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        OpenClient(self)
    }

    /// Whether all are gone before `patience` is over.
    fn are_gone(&self, patience: Duration) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.gone.wait_timeout_while(open, patience, |open| *open > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }
}

/// Part of each client's context, which rdkafka drops after the client itself.
pub(super) struct OpenClient(&'static Clients);

impl OpenClient {
    pub(super) fn new() -> OpenClient {
        CLIENTS.open()
    }
}

impl Drop for OpenClient {
    fn drop(&mut self) {
        *self.0.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.gone.notify_all();
    }
}

/// Comes back once every client is gone, and ends the process with `code` when that takes longer than
/// `patience`.
pub(crate) fn wait_or_leave(patience: Duration, code: u8) {
    if !CLIENTS.are_gone(patience) {
        raw::leave(code.into());
    }
}

/// Ends the process at once, whatever its threads do.
pub(crate) fn leave(code: i32) -> ! {
    raw::leave(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_waits_for_the_last_client_and_no_longer_than_it_may() {
        static OURS: Clients = Clients::new();
        assert!(OURS.are_gone(Duration::ZERO));
        let (one, other) = (OURS.open(), OURS.open());
        drop(one);
        assert!(!OURS.are_gone(Duration::from_millis(1)));
        let dropped = std::thread::spawn(move || drop(other));
        assert!(OURS.are_gone(Duration::from_secs(60)));
        dropped.join().unwrap();
    }
}
