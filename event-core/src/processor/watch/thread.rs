//! The thread that looks at the engines of all groups of the process: a few times a second, for some microseconds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::{Blocked, Slow};
use crate::processor::engine::Engine;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(250);

static WATCHED: Mutex<Watched> = Mutex::new(Watched { engines: Vec::new(), has_thread: false });

struct Watched {
    engines: Vec<WatchedEngine>,
    /// Whether the thread goes on looking at what is added.
    has_thread: bool,
}

/// An engine, and what was seen of it the last time.
struct WatchedEngine {
    engine: Weak<Engine>,
    blocked: Vec<Blocked>,
    slow: Slow,
}

fn watched() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the thread look at an engine for as long as there is one. The thread is started where there is none,
/// and ends with the last engine.
pub(super) fn watch(engine: &Arc<Engine>) -> std::io::Result<()> {
    let mut watched = watched();
    if !watched.has_thread {
        std::thread::Builder::new().name("event-core-watch".to_owned()).spawn(look)?;
        watched.has_thread = true;
    }
    let engine = Arc::downgrade(engine);
    watched.engines.push(WatchedEngine { engine, blocked: Vec::new(), slow: Slow::new() });
    Ok(())
}

fn look() {
    loop {
        // Listeners are notified meanwhile, which may start a service.
        let mut engines = std::mem::take(&mut watched().engines);
        // A listener that panics ends the looks at its own engine.
        engines.retain_mut(|one| catch_unwind(AssertUnwindSafe(|| one.look())).unwrap_or(false));
        {
            let mut watched = watched();
            watched.engines.append(&mut engines);
            if watched.engines.is_empty() {
                watched.has_thread = false;
                return;
            }
        }
        std::thread::park_timeout(LOOK);
    }
}

impl WatchedEngine {
    /// Whether there is still an engine to look at.
    fn look(&mut self) -> bool {
        let Some(engine) = self.engine.upgrade() else { return false };
        engine.watch.now_ms.store(engine.watch.elapsed_ms(), Ordering::Relaxed);
        self.blocked = engine.find_blocked(&self.blocked);
        let group = &engine.identity.group;
        let long = engine.health.look_in_flight(group, |limit| engine.in_flight_for(limit));
        self.slow = engine.report_slow(&self.slow, long);
        true
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
