//! Which events a handler may send: known while compiling, shown in the event graph.

use super::ContractInfo;

/// The events that an argument, a return type or a whole handler may send. A tree, because
/// constants of generic types cannot be joined into one list.
#[derive(Clone, Copy, Debug)]
pub enum Emits {
    /// None.
    Nothing,
    /// One.
    One(&'static ContractInfo),
    /// Those of both.
    Both(&'static Emits, &'static Emits),
    /// Any event at all.
    Anything,
}

impl Emits {
    /// The first event that `declared` does not list.
    #[must_use]
    pub(crate) const fn outside(
        &self,
        declared: &[&'static ContractInfo],
    ) -> Option<&'static ContractInfo> {
        match self {
            Emits::Nothing | Emits::Anything => None,
            Emits::One(contract) => {
                let mut index = 0;
                while index < declared.len() {
                    if contract.is_same_event(declared[index]) {
                        return None;
                    }
                    index += 1;
                }
                Some(contract)
            }
            Emits::Both(one, other) => match one.outside(declared) {
                None => other.outside(declared),
                found => found,
            },
        }
    }

    /// Whether `contract` is one of them.
    #[must_use]
    pub(crate) const fn has(&self, contract: &ContractInfo) -> bool {
        match self {
            Emits::Nothing => false,
            Emits::Anything => true,
            Emits::One(own) => own.is_same_event(contract),
            Emits::Both(one, other) => one.has(contract) || other.has(contract),
        }
    }

    /// Whether it could be any event.
    #[must_use]
    pub const fn is_anything(&self) -> bool {
        match self {
            Emits::Anything => true,
            Emits::Both(one, other) => one.is_anything() || other.is_anything(),
            Emits::Nothing | Emits::One(_) => false,
        }
    }

    /// Adds the events to `contracts`, each once.
    pub fn collect(&self, contracts: &mut Vec<&'static ContractInfo>) {
        match self {
            Emits::Nothing | Emits::Anything => {}
            Emits::One(contract) => {
                if !contracts.iter().any(|known| known.is_same_event(contract)) {
                    contracts.push(contract);
                }
            }
            Emits::Both(one, other) => {
                one.collect(contracts);
                other.collect(contracts);
            }
        }
    }
}
