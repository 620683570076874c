//! What a handler returns, as an outcome.

use super::{Cause as BoxedError, Emit, Error, IntoEmissions, Outcome, Rejection, emit};
use crate::delivery::Delivery;
use crate::event::Emits;

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not an outcome",
    note = "a handler returns `()`, `Outcome`, `Emit<E>`, an `Option`, `Vec` or tuple of `Emit`s, or a `Result` of any of these with any error that is `std::error::Error + Send + Sync`; write `-> event_core::Result`"
)]
pub trait IntoOutcome {
    /// The events that can be sent with it.
    const EMITS: &'static Emits = &Emits::Nothing;

    /// The outcome of the attempt at `delivery`.
    fn into_outcome(self, delivery: &Delivery<'_>) -> Outcome;

    /// The same, as the end of a [`HandlerFuture`](crate::handler::HandlerFuture).
    ///
    /// # Errors
    ///
    /// None: the arguments were made.
    #[doc(hidden)]
    fn into_result(self, delivery: &Delivery<'_>) -> Result<Outcome, Rejection>
    where
        Self: Sized,
    {
        Ok(self.into_outcome(delivery))
    }
}

/// An error that a handler may return: whatever `?` makes a boxed error of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a handler can return",
    label = "not an error",
    note = "an error implements `std::error::Error + Send + Sync`, or is a text; return `event_core::Result`, whose error is made of any by `?`, or of a text by `Error::msg`"
)]
pub trait HandlerError: Into<BoxedError> + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxedError> + 'static> HandlerError for E {}

impl IntoOutcome for () {
    fn into_outcome(self, _: &Delivery<'_>) -> Outcome {
        Outcome::Handled
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self, _: &Delivery<'_>) -> Outcome {
        self
    }
}

impl<T: IntoOutcome, E: HandlerError> IntoOutcome for std::result::Result<T, E> {
    const EMITS: &'static Emits = T::EMITS;

    fn into_outcome(self, delivery: &Delivery<'_>) -> Outcome {
        match self {
            Ok(value) => value.into_outcome(delivery),
            Err(error) => Outcome::Failed(Error::from_boxed(error)),
        }
    }
}

macro_rules! outcomes_that_emit {
    ($([$($parameter:tt)*] $Type:ty;)*) => {$(
        impl<$($parameter)*> IntoOutcome for $Type
        where
            $Type: IntoEmissions,
        {
            const EMITS: &'static Emits = <$Type as IntoEmissions>::EMITS;

            fn into_outcome(self, delivery: &Delivery<'_>) -> Outcome {
                emit::outcome_of(self, delivery)
            }
        }
    )*};
}

outcomes_that_emit! {
    [E] Emit<E>;
    [T] Option<T>;
    [T] Vec<T>;
    [T, const N: usize] [T; N];
    [A, B] (A, B);
    [A, B, C] (A, B, C);
    [A, B, C, D] (A, B, C, D);
    [A, B, C, D, E] (A, B, C, D, E);
    [A, B, C, D, E, F] (A, B, C, D, E, F);
}
