//! Pauses and resumes handlers while the service runs.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// What is paused of a running service. Cloning shares it. A pause holds until it is taken back or
/// the process ends; it is not remembered. The records of what is paused wait, and those behind them
/// in their order; membership in the group is kept.
#[derive(Clone, Debug)]
pub struct Control(watch::Sender<Paused>);

/// What is paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// Handlers, by their ids.
    pub handlers: BTreeSet<String>,
    /// Topics: all of their handlers.
    pub topics: BTreeSet<String>,
}

impl Default for Control {
    fn default() -> Self {
        Control(watch::Sender::new(Paused::default()))
    }
}

impl Control {
    /// Pauses the handler with this id; its records in flight are finished.
    pub fn pause_handler(&self, id: impl Into<String>) {
        self.0.send_if_modified(|paused| paused.handlers.insert(id.into()));
    }

    /// Takes it back; says whether it was paused.
    pub fn resume_handler(&self, id: &str) -> bool {
        self.0.send_if_modified(|paused| paused.handlers.remove(id))
    }

    /// Pauses all handlers of a topic.
    pub fn pause_topic(&self, topic: impl Into<String>) {
        self.0.send_if_modified(|paused| paused.topics.insert(topic.into()));
    }

    /// Takes it back; says whether it was paused.
    pub fn resume_topic(&self, topic: &str) -> bool {
        self.0.send_if_modified(|paused| paused.topics.remove(topic))
    }

    /// What is paused now.
    #[must_use]
    pub fn paused(&self) -> Paused {
        self.0.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Paused> {
        self.0.subscribe()
    }
}
