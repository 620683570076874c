//! From a topic and a name to a handler. Built once, read only.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::handler::HandlerRegistration;

type Map<V> = HashMap<&'static str, V, BuildHasherDefault<FxHasher>>;

/// Finds the handler of an event. Cloning it shares the table.
#[derive(Clone, Debug)]
pub struct EventRouter {
    topics: Arc<Map<Arc<TopicRoutes>>>,
}

/// A handler that was found.
#[derive(Debug)]
pub struct Route {
    /// The registration.
    pub handler: &'static HandlerRegistration,
    /// The handler's [id](HandlerRegistration::id).
    pub id: String,
}

/// The handlers of one topic: looked up once for a batch, then asked for every record.
#[derive(Debug, Default)]
pub struct TopicRoutes {
    events: Map<Route>,
}

impl EventRouter {
    /// Builds the table. Of two handlers of one event the first is kept; start-up has refused that
    /// before.
    #[must_use]
    pub fn new(handlers: &[&'static HandlerRegistration]) -> Self {
        let mut topics = Map::<TopicRoutes>::default();
        for handler in handlers {
            let events = &mut topics.entry(handler.topic).or_default().events;
            events.entry(handler.event).or_insert_with(|| Route { handler, id: handler.id() });
        }
        let topics = topics.into_iter().map(|(topic, routes)| (topic, Arc::new(routes))).collect();
        EventRouter { topics: Arc::new(topics) }
    }

    /// The handlers of `topic`; empty when nobody listens to it.
    #[must_use]
    pub fn topic(&self, topic: &str) -> Arc<TopicRoutes> {
        self.topics.get(topic).cloned().unwrap_or_default()
    }

    /// The topics that somebody listens to, sorted.
    #[must_use]
    pub fn topics(&self) -> Vec<&'static str> {
        let mut topics: Vec<_> = self.topics.keys().copied().collect();
        topics.sort_unstable();
        topics
    }
}

impl TopicRoutes {
    /// The handler of `event`: one hash look-up.
    #[must_use]
    pub fn find(&self, event: &str) -> Option<&Route> {
        self.events.get(event)
    }
}
