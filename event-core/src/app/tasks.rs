//! What runs beside the handlers in the same process, such as an HTTP server.

use std::any::type_name;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tracing::warn;

use super::BoxFuture;
use crate::observe::Health;
use crate::outcome::Error;
use crate::processor::panic_message;
use crate::producer::EventProducer;
use crate::state::StateMap;

/// A task of the app before it starts.
pub(super) struct Task {
    name: String,
    start: Box<dyn FnOnce(AppContext) -> BoxFuture<Result<(), Error>> + Send>,
}

impl Task {
    pub(super) fn new<F, Fut>(start: F, place: &Location<'_>) -> Self
    where
        F: FnOnce(AppContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let name = format!("`serve` at {}:{}", place.file(), place.line());
        Task { name, start: Box::new(move |context| Box::pin(start(context))) }
    }
}

/// What a task of [`EventApp::serve`](crate::EventApp::serve) has of the service.
#[derive(Clone)]
pub struct AppContext {
    state: Arc<StateMap>,
    producer: EventProducer,
    health: Health,
    stopped: watch::Receiver<bool>,
}

impl AppContext {
    pub(super) fn new(
        state: Arc<StateMap>,
        producer: EventProducer,
        health: Health,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        AppContext { state, producer, health, stopped }
    }

    /// The producer that the handlers use as well; in `dev` that of the embedded broker.
    #[must_use]
    pub fn producer(&self) -> EventProducer {
        self.producer.clone()
    }

    /// The state of type `T`, the same value that handlers get as `State<T>`.
    ///
    /// # Errors
    ///
    /// When the app provides none.
    pub fn state<T: Clone + Send + Sync + 'static>(&self) -> Result<T, Error> {
        self.state.get::<T>().cloned().ok_or_else(|| {
            let name = type_name::<T>();
            Error::msg(format!(
                "no state of type `{name}`: provide it with `EventApp::state` or `state_with`"
            ))
        })
    }

    /// The health of the service.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Completes when the service begins to shut down: the task takes no new work then, and returns when it
    /// has ended what it has.
    pub fn shutdown(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stopped.clone();
        async move {
            // A service that is gone means the same.
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    }
}

impl fmt::Debug for AppContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppContext").field("state", &self.state).finish_non_exhaustive()
    }
}

/// The tasks that run.
pub(super) struct Tasks {
    set: JoinSet<Result<(), Error>>,
    names: HashMap<Id, String>,
    stop: watch::Sender<bool>,
}

/// Why a task ends the service.
#[derive(Debug, thiserror::Error)]
pub(super) enum TaskError {
    #[error(
        "{0} returned before the service was asked to shut down; a task waits for `shutdown()` of its context"
    )]
    Ended(String),
    #[error("{0} failed")]
    Failed(String, #[source] Box<dyn StdError + Send + Sync>),
    #[error("{0} panicked: {1}")]
    Panicked(String, String),
}

impl Tasks {
    pub(super) fn start(
        tasks: Vec<Task>,
        runtime: &Handle,
        context: impl Fn(watch::Receiver<bool>) -> AppContext,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (mut set, mut names) = (JoinSet::new(), HashMap::new());
        for Task { name, start } in tasks {
            // Made inside of the task, so that a panic of the user's closure is one of the task.
            let context = context(stopped.clone());
            let task = set.spawn_on(async move { start(context).await }, runtime);
            names.insert(task.id(), name);
        }
        Tasks { set, names, stop }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Stops all of them.
    pub(super) fn shut_down(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until one ends, for ever when there is none; an error is one that ends the service.
    pub(super) async fn next(&mut self) -> Result<(), TaskError> {
        match self.set.join_next_with_id().await {
            Some(ended) => self.ended(ended),
            None => std::future::pending().await,
        }
    }

    fn ended(
        &mut self,
        ended: Result<(Id, Result<(), Error>), JoinError>,
    ) -> Result<(), TaskError> {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let name = self.names.remove(&id).unwrap_or_default();
        match ended {
            Ok((_, Ok(()))) if *self.stop.borrow() => Ok(()),
            Ok((_, Ok(()))) => Err(TaskError::Ended(name)),
            Ok((_, Err(error))) => Err(TaskError::Failed(name, error.into())),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => {
                    Err(TaskError::Panicked(name, panic_message(panic.as_ref()).to_owned()))
                }
                // It was aborted, or its runtime ends.
                Err(_) => Ok(()),
            },
        }
    }

    /// Aborts those that did not end in time.
    pub(super) fn abort(&mut self, waited: Duration) {
        for name in self.names.values() {
            warn!(
                target: "event_core",
                task = %name, ?waited,
                "task still runs after half of `drain`; it is aborted, and what it had is cut off"
            );
        }
        self.set.abort_all();
    }
}
