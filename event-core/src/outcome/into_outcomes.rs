//! What a handler of several records returns, as an outcome for each.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::{Error, HandlerError, IntoOutcome, Outcome};
use crate::delivery::Delivery;
use crate::event::Emits;

/// What a handler of a batch may return.
#[diagnostic::on_unimplemented(
    message = "a handler of a batch cannot return `{Self}`",
    label = "not the outcome of a batch",
    note = "it returns `()` or a `Result<(), E>` for all, a `Vec` with a `Result<(), E>` or an `Outcome` for each event in order, or a `Result` of such a `Vec`; write `-> event_core::Result`"
)]
pub trait IntoOutcomes {
    /// The events that can be sent with it.
    const EMITS: &'static Emits = &Emits::Nothing;

    /// An outcome for each of `deliveries`, in their order.
    fn into_outcomes(self, deliveries: &[&Delivery<'_>]) -> Vec<Outcome>;
}

impl IntoOutcomes for () {
    fn into_outcomes(self, deliveries: &[&Delivery<'_>]) -> Vec<Outcome> {
        deliveries.iter().map(|_| Outcome::Handled).collect()
    }
}

/// One for all, or what was made for each.
impl<T: IntoOutcomes, E: HandlerError> IntoOutcomes for std::result::Result<T, E> {
    const EMITS: &'static Emits = T::EMITS;

    fn into_outcomes(self, deliveries: &[&Delivery<'_>]) -> Vec<Outcome> {
        match self {
            Ok(value) => value.into_outcomes(deliveries),
            Err(error) => failed(Error::from_boxed(error), deliveries.len()),
        }
    }
}

/// One for each.
impl<T: IntoOutcome> IntoOutcomes for Vec<T> {
    const EMITS: &'static Emits = T::EMITS;

    fn into_outcomes(self, deliveries: &[&Delivery<'_>]) -> Vec<Outcome> {
        if self.len() != deliveries.len() {
            let error = format!(
                "the handler returned {} results for a batch of {}",
                self.len(),
                deliveries.len()
            );
            return failed(Error::msg(error), deliveries.len());
        }
        let each = self.into_iter().zip(deliveries);
        each.map(|(one, delivery)| one.into_outcome(delivery)).collect()
    }
}

// The same failure for each of `count` records.
fn failed(error: Error, count: usize) -> Vec<Outcome> {
    let shared = Shared::new(error);
    (0..count).map(|_| Outcome::Failed(shared.error())).collect()
}

/// An error that several records have in common.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Error>);

impl Shared {
    pub(crate) fn new(error: Error) -> Self {
        Shared(Arc::new(error))
    }

    /// The error for one of them, with its verdict.
    pub(crate) fn error(&self) -> Error {
        let error = Error::from(self.clone());
        match self.0.said() {
            Some(verdict) => error.with_verdict(verdict),
            None => error,
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, f)
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.as_std().source()
    }
}
