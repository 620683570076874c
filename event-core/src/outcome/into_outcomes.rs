//! What a handler of several records returns, as an outcome for each.

use super::{Error, HandlerError, IntoOutcome, Outcome, Rejection};
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

    // The same, of which nothing is made where all were handled.
    #[doc(hidden)]
    fn into_batch_outcomes(self, fitting: Fitting<'_>) -> BatchOutcomes
    where
        Self: Sized,
    {
        let deliveries: Vec<_> = fitting.deliveries().collect();
        BatchOutcomes::Each(self.into_outcomes(&deliveries))
    }
}

/// How the records of a batch ended.
#[doc(hidden)]
#[derive(Debug)]
pub enum BatchOutcomes {
    /// Each was handled.
    Handled,
    /// Each as is said here, in their order.
    Each(Vec<Outcome>),
}

/// The records of a call that are in its batch.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Fitting<'a> {
    all: &'a [Delivery<'a>],
    /// Those that are not, by their indexes, rising.
    rejections: &'a [(usize, Rejection)],
}

impl<'a> Fitting<'a> {
    pub(crate) fn new(all: &'a [Delivery<'a>], rejections: &'a [(usize, Rejection)]) -> Self {
        Fitting { all, rejections }
    }

    /// Their deliveries, in their order.
    fn deliveries(self) -> impl Iterator<Item = &'a Delivery<'a>> {
        let mut rejections = self.rejections.iter().peekable();
        let fits = move |(index, delivery): (usize, &'a Delivery<'a>)| {
            let is_rejected = rejections.next_if(|(rejected, _)| *rejected == index).is_some();
            (!is_rejected).then_some(delivery)
        };
        self.all.iter().enumerate().filter_map(fits)
    }
}

impl IntoOutcomes for () {
    fn into_outcomes(self, deliveries: &[&Delivery<'_>]) -> Vec<Outcome> {
        deliveries.iter().map(|_| Outcome::Handled).collect()
    }

    fn into_batch_outcomes(self, _: Fitting<'_>) -> BatchOutcomes {
        BatchOutcomes::Handled
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

    fn into_batch_outcomes(self, fitting: Fitting<'_>) -> BatchOutcomes {
        match self {
            Ok(value) => value.into_batch_outcomes(fitting),
            Err(error) => {
                let count = fitting.deliveries().count();
                BatchOutcomes::Each(failed(&Error::from_boxed(error), count))
            }
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
