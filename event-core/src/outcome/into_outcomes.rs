//! What a handler of several records returns, as an outcome for each.

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
            Err(error) => failed(&Error::from_boxed(error), deliveries.len()),
        }
    }
}

/// One for each.
impl<T: IntoOutcome> IntoOutcomes for Vec<T> {
    const EMITS: &'static Emits = T::EMITS;

    fn into_outcomes(self, deliveries: &[&Delivery<'_>]) -> Vec<Outcome> {
        if self.len() != deliveries.len() {
            let results = if self.len() == 1 { "result" } else { "results" };
            let error = format!(
                "the handler returned {} {results} for a batch of {}",
                self.len(),
                deliveries.len()
            );
            return failed(&Error::msg(error), deliveries.len());
        }
        let each = self.into_iter().zip(deliveries);
        each.map(|(one, delivery)| one.into_outcome(delivery)).collect()
    }
}

// The same failure for each of `count` records.
fn failed(error: &Error, count: usize) -> Vec<Outcome> {
    (0..count).map(|_| Outcome::Failed(error.again())).collect()
}
