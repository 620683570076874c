//! The states that handlers may ask for: the user's, and those that every app has by itself.

use std::sync::Arc;

use crate::broker::Producer;
use crate::producer::EventProducer;
use crate::state::{StateKey, StateMap};

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
