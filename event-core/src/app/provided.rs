//! The states that handlers may ask for: the user's, and those that every app has by itself.

use std::panic::Location;
use std::sync::Arc;

use crate::broker::Producer;
use crate::producer::EventProducer;
use crate::registry::{SourceLocation, StartupProblem};
use crate::state::{StateKey, StateMap};

/// Notes which types an app is given, and where.
#[derive(Debug, Default)]
pub(crate) struct ProvidedStates(Vec<(StateKey, SourceLocation)>);

impl ProvidedStates {
    /// Notes that `method` of the app gives `keys`.
    #[track_caller]
    pub(crate) fn add(&mut self, method: &'static str, keys: impl IntoIterator<Item = StateKey>) {
        let place = SourceLocation::of_call(method, Location::caller());
        self.0.extend(keys.into_iter().map(|key| (key, place.clone())));
    }

    /// The types that are given more than once: the last value would replace the others.
    pub(crate) fn problems(&self) -> Vec<StartupProblem> {
        let mut problems = Vec::new();
        for (index, (key, _)) in self.0.iter().enumerate() {
            let places = self.0.iter().filter(|(other, _)| other == key);
            let places: Vec<_> = places.map(|(_, place)| place.clone()).collect();
            let is_first = self.0.iter().position(|(other, _)| other == key) == Some(index);
            if is_first && places.len() > 1 {
                let type_name = key.type_name();
                problems.push(StartupProblem::DuplicateState { type_name, places });
            }
        }
        problems
    }
}

/// What is there once the service runs, when `later` is made at its start.
pub(crate) fn provided(
    state: &StateMap,
    later: impl IntoIterator<Item = StateKey>,
) -> Vec<StateKey> {
    let own = StateKey::of::<EventProducer>();
    state.keys().iter().copied().chain(later).chain([own]).collect()
}

/// Puts in what every app has by itself, unless the user has put in another.
pub(crate) fn put_own(state: &mut StateMap, producer: Arc<dyn Producer>) {
    if state.get::<EventProducer>().is_none() {
        state.insert(EventProducer::new(producer));
    }
}
