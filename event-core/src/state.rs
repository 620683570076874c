//! What handlers share: one value of each type, put in before start-up and read only after.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use rustc_hash::FxHasher;

/// The shared values, one of each type.
#[derive(Default)]
pub struct StateMap {
    values: HashMap<TypeId, Box<dyn Any + Send + Sync>, BuildHasherDefault<FxHasher>>,
    keys: Vec<StateKey>,
}

impl StateMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        StateMap::default()
    }

    /// Puts `value` in; a value of the same type is replaced.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        if self.values.insert(TypeId::of::<T>(), Box::new(value)).is_none() {
            self.keys.push(StateKey::of::<T>());
        }
    }

    /// The value of type `T`.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.values.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The types that were put in, in that order.
    #[must_use]
    pub fn keys(&self) -> &[StateKey] {
        &self.keys
    }
}

impl std::fmt::Debug for StateMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.keys.iter().map(StateKey::type_name)).finish()
    }
}

/// Names a type that a handler asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateKey {
    id: TypeId,
    name: &'static str,
}

impl StateKey {
    /// The key of `T`.
    #[must_use]
    pub fn of<T: 'static>() -> Self {
        StateKey { id: TypeId::of::<T>(), name: type_name::<T>() }
    }

    /// The type's full name.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.name
    }
}

/// The types of several states.
pub type StateKeys = Vec<StateKey>;

/// A value whose parts are states of their own, implemented by
/// [`derive(StateParts)`](macro@crate::StateParts).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no parts",
    label = "not a state with parts",
    note = "put `#[derive(StateParts)]` on `{Self}`, or give it whole with `.state(..)`"
)]
pub trait StateParts: Send + Sync + 'static {
    /// Adds the types of the parts.
    fn add_keys(keys: &mut StateKeys);

    /// Puts the value in, and each of its parts.
    fn put(self, state: &mut StateMap);
}

/// What the arguments of one handler need before the first record arrives.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    states: Vec<StateKey>,
}

impl Requirements {
    /// Declares that a state of type `T` must be provided.
    pub fn state<T: 'static>(&mut self) {
        self.states.push(StateKey::of::<T>());
    }

    /// The states that were asked for.
    #[must_use]
    pub fn states(&self) -> &[StateKey] {
        &self.states
    }
}
