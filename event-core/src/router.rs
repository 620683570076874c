//! From a topic and a name to a handler. Built once, read only.
//!
//! `router` turns the rest into a table that is never changed again: a topic has handlers by name, at most one for
//! the rest (`event = *`), and at most one for records without a value. Where no argument of the one for the rest
//! is made from the envelope (`FromDelivery::ENVELOPE`), it also gets the records that are no events, and those
//! without a value that no handler takes.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHasher;

use crate::event::{Envelope, NameError, TopicName};
use crate::extract::EnvelopeUse;
use crate::handler::{HandlerRegistration, Selector};
use crate::middleware::{LayerStack, Layers};
use crate::outcome::Rejection;

type Map<V> = HashMap<&'static str, V, BuildHasherDefault<FxHasher>>;

/// What was read of a record: the outer object, `None` for a tombstone, or why it is no event.
pub(crate) type ReadRecord<'a> = Result<Option<Envelope<'a>>, Rejection>;

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
    /// Its number among all routes of the table, from 0 on.
    pub index: usize,
}

/// A topic that exists because of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedTopic {
    /// Its name.
    pub topic: TopicName,
    /// The topic that handlers listen to.
    pub origin: TopicName,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a derived topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// It takes the dead letters.
    DeadLetters,
    /// Its records are handed to one handler once more, on the command of a person.
    Redrive,
    /// Its records wait for so long before they are retried.
    Retry(Duration),
}

/// The handlers of one topic: looked up once for a batch, then asked for every record.
#[derive(Debug, Default)]
pub struct TopicRoutes {
    /// Also a second one of an event, which only its id finds.
    all: Vec<Arc<Route>>,
    events: Map<Arc<Route>>,
    rest: Option<Arc<Route>>,
    /// The one of `rest`, where it takes records that are no events.
    any_value: Option<Arc<Route>>,
    /// The one of `rest`, where it takes records without a value too.
    any_record: Option<Arc<Route>>,
    tombstones: Option<Arc<Route>>,
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
        for (index, handler) in handlers.iter().copied().enumerate() {
            let id: Arc<str> = handler.id().into();
            let layers = layers.around(handler.topic, &id);
            let route = Route { handler, id, layers, index };
            topics.entry(handler.topic).or_default().add(Arc::new(route));
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

    /// Every route, by its number.
    #[must_use]
    pub fn routes(&self) -> Vec<Arc<Route>> {
        let mut routes: Vec<_> = self.topics.values().flat_map(|topic| topic.routes()).collect();
        routes.sort_unstable_by_key(|route| route.index);
        routes
    }

    /// The topics that the service needs because of those that its handlers listen to, sorted.
    ///
    /// # Errors
    ///
    /// In place of a topic: [`NameError`] when its name is over the limit.
    pub fn derived_topics(&self) -> impl Iterator<Item = Result<DerivedTopic, NameError>> + '_ {
        self.topics().filter_map(Result::ok).flat_map(|origin| {
            let routes = self.topic(origin.as_str());
            let mut delays: Vec<_> =
                routes.routes().flat_map(|r| r.handler.retry_topics()).collect();
            delays.sort_unstable();
            delays.dedup();
            let retries = delays.into_iter().map(|d| (origin.retry(*d), Purpose::Retry(*d)));
            let derived = [
                (routes.dead_letters(&origin), Purpose::DeadLetters),
                (origin.redrive(), Purpose::Redrive),
            ];
            let derived: Vec<_> = derived.into_iter().chain(retries).collect();
            derived.into_iter().map(move |(topic, purpose)| {
                Ok(DerivedTopic { topic: topic?, origin: origin.clone(), purpose })
            })
        })
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
    fn add(&mut self, route: Arc<Route>) {
        let handler = route.handler;
        self.all.push(Arc::clone(&route));
        self.foreign_names |= handler.has_foreign_names();
        self.dead_letter = self.dead_letter.or(handler.dead_letter);
        match handler.selects {
            Selector::Event(_) | Selector::Contracts(_) => {
                for name in handler.selects.names() {
                    self.events.entry(name).or_insert_with(|| Arc::clone(&route));
                }
            }
            Selector::CatchAll => {
                if self.rest.is_none() {
                    let envelope = handler.envelope_use();
                    let takes = |it: bool| it.then(|| Arc::clone(&route));
                    self.any_value = takes(envelope != EnvelopeUse::Always);
                    self.any_record = takes(envelope == EnvelopeUse::Never);
                    self.rest = Some(route);
                }
            }
            Selector::Tombstones => {
                self.tombstones.get_or_insert(route);
            }
        }
    }

    /// Whether nobody listens to the topic.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All routes.
    pub(crate) fn routes(&self) -> impl Iterator<Item = Arc<Route>> + '_ {
        self.all.iter().cloned()
    }

    /// The route of the handler with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<Arc<Route>> {
        self.routes().find(|route| *route.id == *id)
    }

    /// The handler of `event`: its own, or the one that takes the rest. One hash look-up.
    #[must_use]
    pub fn find(&self, event: &str) -> Option<&Arc<Route>> {
        self.events.get(event).or(self.rest.as_ref())
    }

    /// The handler of a record that was read: an event, a tombstone, or what is no event. One over a limit
    /// has none.
    pub(crate) fn of(&self, read: &ReadRecord<'_>) -> Option<&Arc<Route>> {
        match read {
            Ok(Some(envelope)) => self.find(envelope.event_type()),
            Ok(None) => self.tombstones(),
            Err(Rejection::Undecodable(_)) => self.any_value.as_ref(),
            Err(_) => None,
        }
    }

    /// Whether a handler takes records that are no events.
    pub(crate) fn takes_any_value(&self) -> bool {
        self.any_value.is_some()
    }

    /// Whether every handler keeps the order of the partition, and takes one record at a time.
    pub(crate) fn is_sequential(&self) -> bool {
        self.routes().all(|route| route.handler.is_sequential())
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
    pub fn rest(&self) -> Option<&Arc<Route>> {
        self.rest.as_ref()
    }

    /// The handler of records without a value: their own, or the one that takes every record.
    #[must_use]
    pub fn tombstones(&self) -> Option<&Arc<Route>> {
        self.tombstones.as_ref().or(self.any_record.as_ref())
    }
}
