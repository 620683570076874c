//! What an error asks for, said where it happens or where it is declared.

use std::any::type_name;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::convert::carried;
use super::{Error, HandlerError, Result};

/// What is to be done about a record whose handler failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Try again until the attempts are used up, then dead-letter.
    #[default]
    Retry,
    /// The same, but wait so long before the next attempt.
    RetryAfter(Duration),
    /// Trying again is pointless: dead-letter now.
    DeadLetter,
    /// The record needs no work: pass it over.
    Skip,
    /// Something that the handler depends on is down. The attempt does not count, and the handler's
    /// records wait until it works again.
    Unavailable,
}

/// Says what is to be done about the record, on any `Result` on its way out of a handler; its error may
/// be boxed, or one of `anyhow` or `eyre`.
///
/// ```
/// use std::time::Duration;
/// use event_core::prelude::*;
///
/// # #[derive(Event, serde::Deserialize)] #[event(topic = "role_events", name = "CLAIM_ADDED")]
/// # struct ClaimAdded { amount: String }
/// # async fn store(_: u32) -> Result<(), std::io::Error> { Ok(()) }
/// #[event_handler]
/// async fn record_claim(event: Event<ClaimAdded>) -> Result {
///     let amount = event.amount.parse().dead_letter()?;
///     store(amount).await.retry_after(Duration::from_secs(60))?;
///     Ok(())
/// }
/// ```
pub trait Classify<T>: Sized {
    /// Try again, as an error that says nothing asks for.
    ///
    /// # Errors
    ///
    /// The same, with that verdict.
    fn retry(self) -> Result<T>;

    /// Wait so long before the next attempt, in place of the delay that would come.
    ///
    /// # Errors
    ///
    /// The same, with that verdict.
    fn retry_after(self, delay: Duration) -> Result<T>;

    /// No retry can fix it: dead-letter the record at once.
    ///
    /// # Errors
    ///
    /// The same, with that verdict.
    fn dead_letter(self) -> Result<T>;

    /// The record needs no work: pass it over.
    ///
    /// # Errors
    ///
    /// The same, with that verdict.
    fn skip(self) -> Result<T>;

    /// Something that the handler depends on is down: its records wait until it works again, and the
    /// attempt does not count.
    ///
    /// # Errors
    ///
    /// The same, with that verdict.
    fn unavailable(self) -> Result<T>;
}

impl<T, E: HandlerError> Classify<T> for Result<T, E> {
    fn retry(self) -> Result<T> {
        self.map_err(|error| Error::from_boxed(error).with_verdict(Verdict::Retry))
    }

    fn retry_after(self, delay: Duration) -> Result<T> {
        self.map_err(|error| Error::from_boxed(error).with_verdict(Verdict::RetryAfter(delay)))
    }

    fn dead_letter(self) -> Result<T> {
        self.map_err(|error| Error::from_boxed(error).with_verdict(Verdict::DeadLetter))
    }

    fn skip(self) -> Result<T> {
        self.map_err(|error| Error::from_boxed(error).with_verdict(Verdict::Skip))
    }

    fn unavailable(self) -> Result<T> {
        self.map_err(|error| Error::from_boxed(error).with_verdict(Verdict::Unavailable))
    }
}

/// What every error that passes through a handler is.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a handler can return",
    label = "not an error",
    note = "an error implements `std::error::Error` and can be sent to another thread; write `#[derive(Debug, thiserror::Error, EventError)]`, with a text for people in `#[error(\"..\")]`"
)]
pub trait AnyError: StdError + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> AnyError for E {}

/// An error type that says what is to be done about a record, by `#[derive(EventError)]`.
pub trait EventError: 'static {
    /// What is to be done; `None` leaves it to its source, and to the handler's retries.
    fn verdict(&self) -> Option<Verdict>;
}

/// What `#[derive(EventError)]` registers, so that an error is recognised however it was boxed.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Classifier {
    verdict: fn(&(dyn StdError + 'static)) -> Option<Verdict>,
    type_name: fn() -> &'static str,
}

#[doc(hidden)]
impl Classifier {
    #[must_use]
    pub const fn of<E: EventError + AnyError>() -> Self {
        Classifier { verdict: verdict_of::<E>, type_name: type_name::<E> }
    }
}

fn verdict_of<E: EventError + StdError>(error: &(dyn StdError + 'static)) -> Option<Verdict> {
    error.downcast_ref::<E>().and_then(EventError::verdict)
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Classifier({})", (self.type_name)())
    }
}

inventory::collect!(Classifier);

/// What the outermost classified error of a chain asks for. It is only asked when something failed.
pub(super) fn classified(error: &(dyn StdError + 'static)) -> Option<Verdict> {
    let chain = std::iter::successors(Some(error), |error| below(*error));
    let mut verdicts = chain.filter_map(|error| match carried(error) {
        // What was said of an error on its way holds in whatever it was put into since.
        Some(carried) => carried.said(),
        None => inventory::iter::<Classifier>().find_map(|classifier| (classifier.verdict)(error)),
    });
    verdicts.next()
}

/// What an error holds. One of input and output speaks for the error that it was made of, and leaves it out of
/// its sources.
fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let retained = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match retained {
        Some(retained) => Some(retained),
        None => error.source(),
    }
}
