//! How a handler ended, and the error it may end with.

mod backoff;
mod classify;
mod convert;
mod emit;
mod into_outcome;
mod into_outcomes;
mod rejection;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use backoff::{Backoff, Jitter};
pub use classify::{AnyError, Classifier, Classify, EventError, Verdict};
pub use emit::{Emissions, Emit, IntoEmissions, Sendable};
pub(crate) use emit::{RecordError, record_of};
pub use into_outcome::{HandlerError, IntoOutcome};
pub use into_outcomes::{BatchOutcomes, Fitting, IntoOutcomes};
pub use rejection::Rejection;

type Cause = Box<dyn StdError + Send + Sync>;

/// The result of a handler, and of a service's `main`. Any error converts with `?`.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error, with what is to be done about the record. Like `anyhow::Error`, it is made by `?`
/// from whatever implements `std::error::Error` and does not implement that trait itself.
///
/// `?` makes a boxed error of it too, and with the features `anyhow` and `eyre` one of theirs. A verdict that was
/// said, or that its type has, holds through all of them and back. From
/// those, which are no `std::error::Error` either, it is made by [`Error::from_boxed`], or by
/// [`Classify`] where the verdict is said.
///
/// ```
/// use event_core::Error;
/// let error: Error = "7x".parse::<i64>().unwrap_err().into();
/// assert_eq!(error.to_string(), "invalid digit found in string");
///
/// fn boxed() -> Result<(), Box<dyn std::error::Error>> {
///     Err(Error::msg("no claim"))?
/// }
/// assert_eq!(boxed().unwrap_err().to_string(), "no claim");
/// ```
pub struct Error {
    // Shared by the records of a batch that fails as a whole.
    cause: Arc<Cause>,
    verdict: Option<Verdict>,
    // Of several records that were handled in one call; which of them is at fault is not known.
    of_all: bool,
}

impl Error {
    /// An error from a message.
    pub fn msg(message: impl Into<String>) -> Self {
        Error { cause: Arc::new(Cause::from(message.into())), verdict: None, of_all: false }
    }

    /// The same error once more, for another record of the call that it ended.
    pub(crate) fn again(&self) -> Self {
        Error { cause: self.cause.clone(), verdict: self.verdict, of_all: true }
    }

    /// Whether it is of several records, of which any may be at fault.
    pub(crate) fn is_of_all(&self) -> bool {
        self.of_all
    }

    /// The same error, but one that no retry can fix.
    #[must_use]
    pub fn dead_letter(self) -> Self {
        self.with_verdict(Verdict::DeadLetter)
    }

    /// The same error, but the next attempt is made after `delay`.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        self.with_verdict(Verdict::RetryAfter(delay))
    }

    /// The same error, but the record needs no work and is passed over.
    #[must_use]
    pub fn skip(self) -> Self {
        self.with_verdict(Verdict::Skip)
    }

    /// The same error, but it says that something the handler depends on is down.
    #[must_use]
    pub fn unavailable(self) -> Self {
        self.with_verdict(Verdict::Unavailable)
    }

    /// The same error with another verdict.
    #[must_use]
    pub fn with_verdict(self, verdict: Verdict) -> Self {
        Error { verdict: Some(verdict), ..self }
    }

    /// What is to be done about the record: what was said where the error passed, or else what the
    /// outermost error with [`EventError`] says, or else to try again.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.said().unwrap_or_default()
    }

    /// What the error itself says is to be done; `None` when it says nothing.
    #[must_use]
    pub fn said(&self) -> Option<Verdict> {
        self.verdict.or_else(|| classify::classified(&**self.cause))
    }

    /// The error as the standard library knows it.
    #[must_use]
    pub fn as_std(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &**self.cause
    }

    /// The messages of the error and its causes, outermost first. A cause that a message before it repeats
    /// already, as with `#[error("..: {0}")]`, is left out.
    pub fn chain(&self) -> impl Iterator<Item = String> + '_ {
        let first: &(dyn StdError + 'static) = &**self.cause;
        let mut causes = std::iter::successors(Some(first), |error: &&(dyn StdError + 'static)| {
            (*error).source()
        });
        let mut said: Vec<String> = Vec::new();
        std::iter::from_fn(move || {
            let is_new = |text: &String| !said.iter().any(|before| repeats(before, text));
            let text = causes.by_ref().map(ToString::to_string).find(is_new)?;
            said.push(text.clone());
            Some(text)
        })
    }
}

/// Whether `text` stands in `message`, and not just inside of a word or a number.
fn repeats(message: &str, text: &str) -> bool {
    let is_inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let text = text.trim();
    text.is_empty()
        || message.match_indices(text).any(|(at, _)| {
            let (before, after) = (&message[..at], &message[at + text.len()..]);
            !is_inside(before.chars().next_back()) && !is_inside(after.chars().next())
        })
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Error { cause: Arc::new(Box::new(error)), verdict: None, of_all: false }
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
    /// The event is dealt with when these events are acknowledged. The engine waits for that, so
    /// that a layer sees one of the others.
    Emits(Emissions),
    /// The arguments of the handler could not be made, and it did not run.
    Rejected(Rejection),
}

impl Outcome {
    /// A stable code for logs, metrics and filters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Outcome::Handled => "handled",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Emits(_) => "emits",
            Outcome::Rejected(_) => "rejected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_the_way_through_a_handler() {
        let fails = || -> Result { Err(Error::msg("bad order").dead_letter()) };
        let error = Error::from_boxed(fails().unwrap_err());
        assert_eq!(error.verdict(), Verdict::DeadLetter);
        assert_eq!(error.to_string(), "bad order");
    }

    #[test]
    fn a_chain_of_causes_never_repeats_a_text() {
        #[derive(Debug, thiserror::Error)]
        enum Failed {
            #[error("pool: {0}")]
            Pool(#[source] std::io::Error),
            #[error("line 17")]
            Line(#[source] std::io::Error),
            #[error(transparent)]
            Deep(Box<Failed>),
            #[error("cannot store: {0}")]
            Store(#[source] Box<Failed>),
        }
        let io = |text: &str| std::io::Error::other(text.to_owned());
        let shown = |failed: Failed| format!("{:?}", Error::from(failed));
        assert_eq!(shown(Failed::Pool(io("timed out"))), "pool: timed out");
        assert_eq!(shown(Failed::Deep(Box::new(Failed::Pool(io("refused"))))), "pool: refused");
        let store = Failed::Store(Box::new(Failed::Pool(io("timed out"))));
        assert_eq!(shown(store), "cannot store: pool: timed out");
        assert_eq!(shown(Failed::Line(io("7"))), "line 17: 7");
    }

    #[test]
    fn any_error_becomes_a_failure_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the amount")]
        struct Outer(#[from] std::num::ParseIntError);
        let fails =
            || -> std::result::Result<(), Outer> { Err("x".parse::<i32>().unwrap_err().into()) };
        let error = Error::from_boxed(fails().unwrap_err());
        let chain: Vec<_> = error.chain().collect();
        assert_eq!(chain, ["cannot read the amount", "invalid digit found in string"]);
    }
}
