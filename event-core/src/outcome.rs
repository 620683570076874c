//! How a handler ended, and the error it may end with.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::event::EnvelopeError;

type Cause = Box<dyn StdError + Send + Sync>;

/// The result of a handler, and of a service's `main`. Any error converts with `?`.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error, with what is to be done about the record. Like `anyhow::Error`, it is made by `?`
/// from whatever implements `std::error::Error` and does not implement that trait itself.
///
/// ```
/// use event_core::Error;
/// let error: Error = "7x".parse::<i64>().unwrap_err().into();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// ```
pub struct Error {
    cause: Cause,
    verdict: Verdict,
}

/// What an error asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Try again until the attempts are used up, then dead-letter.
    #[default]
    Retry,
    /// Trying again is pointless: dead-letter now.
    DeadLetter,
}

impl Error {
    /// An error from a message.
    pub fn msg(message: impl Into<String>) -> Self {
        Error { cause: message.into().into(), verdict: Verdict::Retry }
    }

    /// Any error that is already boxed, an `Error` inside it with its verdict.
    pub(crate) fn from_boxed(error: impl Into<Cause>) -> Self {
        match error.into().downcast::<Carrier>() {
            Ok(carrier) => carrier.0,
            Err(cause) => Error { cause, verdict: Verdict::Retry },
        }
    }

    /// The same error, but one that no retry can mend.
    #[must_use]
    pub fn dead_letter(mut self) -> Self {
        self.verdict = Verdict::DeadLetter;
        self
    }

    /// What is to be done about the record.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The error as the standard library knows it.
    #[must_use]
    pub fn as_std(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.cause
    }

    /// The messages of the error and its causes, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = String> + '_ {
        let first: &(dyn StdError + 'static) = &*self.cause;
        std::iter::successors(Some(first), |error: &&(dyn StdError + 'static)| (*error).source())
            .map(ToString::to_string)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Error { cause: Box::new(error), verdict: Verdict::Retry }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, message) in self.chain().enumerate() {
            write!(f, "{}{message}", if depth == 0 { "" } else { ": " })?;
        }
        Ok(())
    }
}

// An `Error` passes through `Box<dyn Error>` on the way to `Outcome`, like every other error; this
// carrier keeps its verdict there. (`Error` cannot itself be a `std::error::Error`, or `?` would be
// ambiguous.)
struct Carrier(Error);

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Carrier {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.source()
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Box::new(Carrier(error))
    }
}

/// How one attempt ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The event is dealt with.
    Handled,
    /// The handler failed; the error says whether trying again makes sense.
    Failed(Error),
    /// The handler does not want the record handled by anyone.
    Skipped,
}

/// Why a record cannot become the arguments of its handler: it goes to the dead letters at once.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The record cannot be decoded.
    #[error(transparent)]
    Undecodable(#[from] EnvelopeError),
    /// A state is missing; start-up refuses this before any record arrives.
    #[error("no state of type {type_name} was provided")]
    MissingState {
        /// The type.
        type_name: &'static str,
    },
    /// An argument of the user's own refuses the record.
    #[error("{code}: {message}")]
    Refused {
        /// A stable code in lower snake case.
        code: &'static str,
        /// What is wrong.
        message: String,
    },
}

impl Rejection {
    /// A stable code for headers, metrics and filters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::Undecodable(error) => error.code(),
            Rejection::MissingState { .. } => "missing_state",
            Rejection::Refused { code, .. } => code,
        }
    }
}

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not an outcome",
    note = "a handler returns `()`, `Outcome`, or a `Result` of these with any error that is `std::error::Error + Send + Sync`; write `-> event_core::Result`"
)]
pub trait IntoOutcome {
    /// The outcome.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Handled
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl<T: IntoOutcome, E: Into<Cause>> IntoOutcome for std::result::Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(value) => value.into_outcome(),
            Err(error) => Outcome::Failed(Error::from_boxed(error)),
        }
    }
}

/// How long to wait before the next attempt.
///
/// The delay doubles from `first` up to `longest`, and each is drawn between half and the whole of
/// that ("equal jitter"), so that services that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest delay after the first failure.
    pub first: Duration,
    /// The longest delay after any failure.
    pub longest: Duration,
}

impl Default for Backoff {
    /// 200 ms to 30 s.
    fn default() -> Self {
        Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The delay after attempt number `attempt` (from 1 on) has failed.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        whole.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_the_way_through_a_handler() {
        let fails = || -> Result { Err(Error::msg("bad order").dead_letter()) };
        let Outcome::Failed(error) = fails().into_outcome() else { panic!("not failed") };
        assert_eq!(error.verdict(), Verdict::DeadLetter);
        assert_eq!(error.to_string(), "bad order");
    }

    #[test]
    fn any_error_becomes_a_failure_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the amount")]
        struct Outer(#[from] std::num::ParseIntError);
        let fails =
            || -> std::result::Result<(), Outer> { Err("x".parse::<i32>().unwrap_err().into()) };
        let Outcome::Failed(error) = fails().into_outcome() else { panic!("not failed") };
        let chain: Vec<_> = error.chain().collect();
        assert_eq!(chain, ["cannot read the amount", "invalid digit found in string"]);
    }

    #[test]
    fn delays_double_up_to_the_longest_and_stay_within_half() {
        let backoff =
            Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
        for (attempt, whole) in
            [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (u32::MAX, 1000)]
        {
            for _ in 0..100 {
                let delay = backoff.delay(attempt).as_millis();
                assert!((whole / 2..=whole).contains(&delay), "attempt {attempt}: {delay} ms");
            }
        }
    }
}
