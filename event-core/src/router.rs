//! From a topic and a name to a handler. Built once, read only.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::event::{NameError, TopicName};
use crate::handler::{HandlerRegistration, Selector};
use crate::middleware::{LayerStack, Layers};

type Map<V> = HashMap<&'static str, V, BuildHasherDefault<FxHasher>>;

/// Finds the handler of an event. Cloning it shares the table.
#[derive(Clone, Debug)]
pub struct EventRouter {
    topics: Arc<Map<Arc<TopicRoutes>>>,
}

/// A handler that was found.
#[derive(Clone, Debug)]
pub struct Route {
    /// The registration.
    pub handler: &'static HandlerRegistration,
    /// The handler's [id](HandlerRegistration::id).
    pub id: Arc<str>,
    /// What runs around it.
    pub layers: LayerStack,
}

/// The handlers of one topic: looked up once for a batch, then asked for every record.
#[derive(Debug, Default)]
pub struct TopicRoutes {
    events: Map<Route>,
    rest: Option<Route>,
    tombstones: Option<Route>,
    foreign_names: bool,
    dead_letter: Option<&'static str>,
}

impl EventRouter {
    /// Builds the table. Of two handlers of one event the first is kept; start-up has refused that
    /// before.
    #[must_use]
    pub fn new(handlers: &[&'static HandlerRegistration]) -> Self {
        EventRouter::with_layers(handlers, &Layers::default())
    }

    /// The same with layers around the handlers.
    #[must_use]
    pub fn with_layers(handlers: &[&'static HandlerRegistration], layers: &Layers) -> Self {
        let mut topics = Map::<TopicRoutes>::default();
        for handler in handlers {
            topics.entry(handler.topic).or_default().add(handler, layers);
        }
        let topics = topics.into_iter().map(|(topic, routes)| (topic, Arc::new(routes))).collect();
        EventRouter { topics: Arc::new(topics) }
    }

    /// The handlers of `topic`; empty when nobody listens to it.
    #[must_use]
    pub fn topic(&self, topic: &str) -> Arc<TopicRoutes> {
        self.topics.get(topic).cloned().unwrap_or_default()
    }

    /// The topics that somebody listens to, sorted, or why one has no good name. The names were
    /// checked while compiling, unless a registration was made by hand.
    pub fn topics(&self) -> impl Iterator<Item = Result<TopicName, NameError>> + '_ {
        let mut topics: Vec<_> = self.topics.iter().collect();
        topics.sort_unstable_by_key(|(topic, _)| **topic);
        topics.into_iter().map(|(topic, routes)| TopicName::registered(topic, routes.foreign_names))
    }

    /// The topic that takes the dead letters of `topic`.
    ///
    /// # Errors
    ///
    /// [`NameError`] when its name is over the limit.
    pub fn dead_letters(&self, topic: &TopicName) -> Result<TopicName, NameError> {
        match self.topics.get(topic.as_str()) {
            Some(routes) => routes.dead_letters(topic),
            None => topic.dead_letters(),
        }
    }
}

impl TopicRoutes {
    fn add(&mut self, handler: &'static HandlerRegistration, layers: &Layers) {
        let id: Arc<str> = handler.id().into();
        let layers = layers.around(handler.topic, &id);
        let route = Route { handler, id, layers };
        self.foreign_names |= handler.has_foreign_names();
        self.dead_letter = self.dead_letter.or(handler.dead_letter);
        match handler.selects {
            Selector::Event(_) | Selector::Contracts(_) => {
                for name in handler.selects.names() {
                    self.events.entry(name).or_insert_with(|| route.clone());
                }
            }
            Selector::Rest => {
                self.rest.get_or_insert(route);
            }
            Selector::Tombstones => {
                self.tombstones.get_or_insert(route);
            }
        }
    }

    /// The handler of `event`: its own, or the one that takes the rest. One hash look-up.
    #[must_use]
    pub fn find(&self, event: &str) -> Option<&Route> {
        self.events.get(event).or(self.rest.as_ref())
    }

    /// The topic that takes the dead letters of `topic`, whose handlers these are.
    pub(crate) fn dead_letters(&self, topic: &TopicName) -> Result<TopicName, NameError> {
        match self.dead_letter {
            Some(name) => TopicName::registered(name, self.foreign_names),
            None => topic.dead_letters(),
        }
    }

    /// The handler of the events that no other takes.
    #[must_use]
    pub fn rest(&self) -> Option<&Route> {
        self.rest.as_ref()
    }

    /// The handler of records without a value.
    #[must_use]
    pub fn tombstones(&self) -> Option<&Route> {
        self.tombstones.as_ref()
    }
}
