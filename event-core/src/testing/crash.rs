//! Ends a service under test as `kill -9` would, at any moment or at a chosen step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use super::RunningApp;
use crate::broker::memory::MemoryBroker;
use crate::observe::{Observation, Observer};

impl RunningApp {
    /// Ends the service as `kill -9` would: nothing more is handled or committed.
    pub async fn crash(&mut self) {
        if let Some(mut run) = self.run.take() {
            run.process.kill();
            run.tasks.shutdown().await;
        }
    }

    /// Ends the service as `kill -9` would in the moment in which `when` is true for something that
    /// happens: the engine gets no further than that. It applies once, to this run or a later one.
    ///
    /// ```
    /// # use event_core::prelude::*;
    /// # use event_core::{observe::Observation, testing::TestApp};
    /// # #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    /// # async fn record_claim(Json(_id): Json<i64>) {}
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
    /// let mut app = TestApp::new("admin").handlers_from(module_path!()).start()?;
    /// app.crash_when(|observation| matches!(observation, Observation::Handled { .. }));
    /// app.publish_raw("role_events", None, Some(br#"{"eventType": "CLAIM_ADDED", "data": 7}"#)).await;
    /// app.crashed().await;
    /// assert_eq!(app.committed("role_events", 0), None);
    /// app.restart();
    /// app.settle().await;
    /// assert_eq!(app.history().handled("CLAIM_ADDED").len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn crash_when(&self, when: impl FnMut(&Observation<'_>) -> bool + Send + 'static) {
        *self.crash_hook.lock() = Some(Box::new(when));
    }

    /// Waits for the crash that [`crash_when`](RunningApp::crash_when) asked for.
    ///
    /// # Panics
    ///
    /// When it does not come within a day.
    pub async fn crashed(&mut self) {
        self.eventually("the service has crashed", || !self.is_running()).await;
        self.crash().await;
    }
}

type When = Box<dyn FnMut(&Observation<'_>) -> bool + Send>;

/// The step at which the service is to crash.
#[derive(Default)]
pub(super) struct CrashHook(Mutex<Option<When>>);

impl CrashHook {
    // What is behind the lock is whole after any panic.
    fn lock(&self) -> MutexGuard<'_, Option<When>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One run of the service, which ends at once when it is killed.
pub(super) struct Process {
    broker: MemoryBroker,
    hook: Arc<CrashHook>,
    /// One for each consumer group.
    tasks: Mutex<Vec<AbortHandle>>,
    dead: AtomicBool,
}

impl Process {
    pub(super) fn new(broker: MemoryBroker, hook: Arc<CrashHook>) -> Self {
        Process { broker, hook, tasks: Mutex::default(), dead: AtomicBool::new(false) }
    }

    /// The broker as this process reaches it.
    pub(super) fn broker(&self) -> &MemoryBroker {
        &self.broker
    }

    pub(super) fn runs_as(&self, task: AbortHandle) {
        if self.is_dead() {
            task.abort();
        }
        self.tasks().push(task);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        self.broker.cut_off();
        for task in &*self.tasks() {
            task.abort();
        }
    }

    /// Whether a consumer group's task has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.tasks().iter().any(AbortHandle::is_finished)
    }

    // What is behind the lock is whole after any panic.
    fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies `listeners` of what happens while the process lives.
    pub(super) fn watch(
        self: &Arc<Self>,
        listeners: impl Iterator<Item = Arc<dyn Observer>>,
    ) -> Arc<dyn Observer> {
        Arc::new(Watched { process: Arc::clone(self), listeners: listeners.collect() })
    }
}

struct Watched {
    process: Arc<Process>,
    listeners: Vec<Arc<dyn Observer>>,
}

impl Observer for Watched {
    fn observe(&self, observation: &Observation<'_>) {
        // Tasks of the engine may have a last turn before they are gone; to the world it is over.
        if self.process.is_dead() {
            return;
        }
        for listener in &self.listeners {
            listener.observe(observation);
        }
        let mut hook = self.process.hook.lock();
        if hook.as_mut().is_some_and(|when| when(observation)) {
            *hook = None;
            drop(hook);
            self.process.kill();
            // The task that is here goes no further, without the message of a panic.
            std::panic::resume_unwind(Box::new("the process was killed"));
        }
    }
}
