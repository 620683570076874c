//! An [`Error`] as one of the errors that hold any other, and back.
//!
//! It cannot itself be a `std::error::Error`, or `?` would be ambiguous; so `?` cannot make it of what
//! is none either, as a boxed error is.

#[cfg(any(feature = "anyhow", feature = "eyre"))]
use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::{Cause, Error, classify};

impl Error {
    /// The error that is boxed already, or that `anyhow` or `eyre` hold: `.map_err(Error::from_boxed)?`.
    ///
    /// An `Error` that was boxed comes out with its verdict.
    ///
    /// ```
    /// use event_core::{Error, Result};
    ///
    /// fn checked() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    ///     Err("no claim".into())
    /// }
    ///
    /// fn handled() -> Result {
    ///     checked().map_err(Error::from_boxed)
    /// }
    /// assert_eq!(handled().unwrap_err().to_string(), "no claim");
    /// ```
    #[must_use]
    pub fn from_boxed(error: impl Into<Box<dyn StdError + Send + Sync>> + 'static) -> Self {
        #[cfg_attr(
            not(any(feature = "anyhow", feature = "eyre")),
            expect(unused_mut, reason = "nothing is taken out")
        )]
        let mut report = Some(error);
        // In a box of theirs the type of the error cannot be seen any more, and its verdict with it.
        #[cfg(feature = "anyhow")]
        if let Some(error) = taken::<anyhow::Error>(&mut report) {
            return Error::of_box(error.reallocate_into_boxed_dyn_error_without_backtrace());
        }
        #[cfg(feature = "eyre")]
        if let Some(report) = taken::<eyre::Report>(&mut report) {
            return Error::of_report(report);
        }
        report.map_or_else(|| Error::msg(""), |error| Error::of_box(error.into()))
    }

    fn of_box(error: Cause) -> Self {
        match error.downcast::<Carrier>() {
            Ok(carrier) => carrier.0,
            Err(cause) => Error { cause: Arc::new(cause), verdict: None, of_all: false },
        }
    }

    #[cfg(feature = "eyre")]
    fn of_report(report: eyre::Report) -> Self {
        let verdict = classify::classified(&*report);
        // Below a context it is not all that the report says.
        let report = match (*report).is::<Carrier>() {
            true => report.downcast::<Carrier>().map(|carrier| carrier.0),
            false => Err(report),
        };
        let report = match report {
            Ok(error) => return error,
            Err(report) => report,
        };
        Error { cause: Arc::new(report.into()), verdict, of_all: false }
    }

    /// The error itself, unless something was said of it.
    fn into_box(self) -> Cause {
        match self {
            Error { cause, verdict: None, of_all: false } => {
                Arc::try_unwrap(cause).unwrap_or_else(|cause| {
                    Box::new(Carrier(Error { cause, verdict: None, of_all: false }))
                })
            }
            said => Box::new(Carrier(said)),
        }
    }

    /// The same of an error that may not be sent to another thread: its message, and those of its
    /// causes.
    ///
    /// ```
    /// use event_core::Error;
    ///
    /// let boxed: Box<dyn std::error::Error> = "no claim".into();
    /// assert_eq!(Error::from_local(boxed).to_string(), "no claim");
    /// ```
    #[must_use]
    pub fn from_local(error: Box<dyn StdError>) -> Self {
        let error = match error.downcast::<Carrier>() {
            Ok(carrier) => return carrier.0,
            Err(error) => error,
        };
        let verdict = classify::classified(&*error);
        let chain = std::iter::successors(Some(&*error), |error| (*error).source());
        let texts: Vec<_> = chain.map(ToString::to_string).collect();
        let chain = texts
            .into_iter()
            .rev()
            .fold(None, |source, text| Some(Box::new(ErrorText { text, source })));
        let chain = chain.map_or_else(|| Error::msg(""), |chain| Error::from(*chain));
        Error { verdict, ..chain }
    }
}

/// The error in `report`, if it is a `T`.
#[cfg(any(feature = "anyhow", feature = "eyre"))]
fn taken<T: 'static>(report: &mut dyn Any) -> Option<T> {
    report.downcast_mut::<Option<T>>().and_then(Option::take)
}

/// The error that was put into another one with what was said of it.
pub(super) fn carried<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    error.downcast_ref::<Carrier>().map(|carrier| &carrier.0)
}

// What keeps a verdict in a box, also on the way to `Outcome`.
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

// The messages of an error that stays on its thread.
#[derive(Debug)]
struct ErrorText {
    text: String,
    source: Option<Box<ErrorText>>,
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for ErrorText {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        error.into_box()
    }
}

impl From<Error> for Box<dyn StdError + Send> {
    fn from(error: Error) -> Self {
        error.into_box()
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        error.into_box()
    }
}

#[cfg(feature = "anyhow")]
impl From<Error> for anyhow::Error {
    fn from(error: Error) -> Self {
        anyhow::Error::new(Carrier(error))
    }
}

#[cfg(feature = "eyre")]
impl From<Error> for eyre::Report {
    fn from(error: Error) -> Self {
        eyre::Report::new(Carrier(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Classifier, Classify, EventError, Verdict};

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the amount")]
    struct Unread(#[from] std::num::ParseIntError);

    const CHAIN: [&str; 2] = ["cannot read the amount", "invalid digit found in string"];

    fn unread() -> Unread {
        "x".parse::<i64>().unwrap_err().into()
    }

    fn failed() -> Error {
        Error::from(unread()).dead_letter()
    }

    // What `?` makes of it in a function with this error.
    fn passed<E: From<Error>>() -> E {
        passed_of(failed())
    }

    fn passed_of<E: From<Error>>(error: Error) -> E {
        let pass = || -> Result<(), E> { Err(error)? };
        match pass() {
            Ok(()) => unreachable!(),
            Err(error) => error,
        }
    }

    fn has_chain(error: &Error) {
        assert_eq!(error.chain().collect::<Vec<_>>(), CHAIN);
    }

    #[test]
    fn a_box_holds_the_error_and_gives_it_back() {
        let boxed = passed::<Box<dyn StdError>>();
        assert_eq!(boxed.to_string(), CHAIN[0]);
        assert_eq!(boxed.source().unwrap().to_string(), CHAIN[1]);
        let back = Error::from_local(boxed);
        has_chain(&back);
        assert_eq!(back.verdict(), Verdict::DeadLetter);
        has_chain(&Error::from_local(Box::new(unread())));
    }

    #[test]
    fn a_box_that_can_be_sent_holds_the_error_and_gives_it_back() {
        let boxed = passed::<Box<dyn StdError + Send>>();
        assert_eq!(boxed.to_string(), CHAIN[0]);
        let back = Error::from_local(boxed);
        has_chain(&back);
        assert_eq!(back.verdict(), Verdict::DeadLetter);
    }

    #[test]
    fn a_box_that_can_be_shared_holds_the_error_and_gives_it_back() {
        let boxed = passed::<Box<dyn StdError + Send + Sync>>();
        assert_eq!(boxed.to_string(), CHAIN[0]);
        let back = Error::from_boxed(boxed);
        has_chain(&back);
        assert_eq!(back.verdict(), Verdict::DeadLetter);
        let other: Box<dyn StdError + Send + Sync> = Box::new(unread());
        has_chain(&Error::from_boxed(other));
    }

    #[test]
    fn a_box_takes_a_verdict_as_any_error_does() {
        let boxed = || -> Result<(), Box<dyn StdError + Send + Sync>> { Err("no claim".into()) };
        assert_eq!(boxed().skip().unwrap_err().verdict(), Verdict::Skip);
        let again = Err::<(), Error>(failed()).retry();
        assert_eq!(again.unwrap_err().verdict(), Verdict::Retry);
    }

    // Says by its type what is to be done.
    #[derive(Debug, thiserror::Error)]
    #[error("bad")]
    struct Bad;

    impl EventError for Bad {
        fn verdict(&self) -> Option<Verdict> {
            Some(Verdict::DeadLetter)
        }
    }

    inventory::submit!(Classifier::of::<Bad>());

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Cause);

    #[test]
    fn of_an_error_that_says_nothing_a_box_holds_the_error_itself() {
        assert!(passed_of::<Cause>(Bad.into()).is::<Bad>());
        assert!(passed_of::<Box<dyn StdError + Send>>(Bad.into()).is::<Bad>());
        assert!(passed_of::<Box<dyn StdError>>(Bad.into()).is::<Bad>());
        let io = std::io::Error::other(Error::from(Bad));
        assert!(io.get_ref().is_some_and(|error| error.is::<Bad>()));
    }

    #[test]
    fn a_verdict_holds_in_whatever_an_error_is_put_into() {
        let skipped = || Error::msg("said").skip();
        for (of_type, said) in [
            (Error::from(Outer(Bad.into())), Error::from(Outer(skipped().into()))),
            (
                Error::from(std::io::Error::other(Bad)),
                Error::from(std::io::Error::other(skipped())),
            ),
            (
                Error::from_local(Box::new(Bad)),
                Error::from_local(Box::new(Outer(skipped().into()))),
            ),
            #[cfg(feature = "anyhow")]
            (
                Error::from_boxed(anyhow::Error::new(Bad)),
                Error::from_boxed(passed_of::<anyhow::Error>(skipped())),
            ),
            #[cfg(feature = "anyhow")]
            (
                Error::from_boxed(anyhow::Error::new(Bad).context("context")),
                Error::from_boxed(passed_of::<anyhow::Error>(skipped()).context("context")),
            ),
            #[cfg(feature = "eyre")]
            (
                Error::from_boxed(eyre::Report::new(Bad)),
                Error::from_boxed(passed_of::<eyre::Report>(skipped())),
            ),
            #[cfg(feature = "eyre")]
            (
                Error::from_boxed(eyre::Report::new(Bad).wrap_err("context")),
                Error::from_boxed(passed_of::<eyre::Report>(skipped()).wrap_err("context")),
            ),
        ] {
            assert_eq!(of_type.verdict(), Verdict::DeadLetter, "{of_type:?}");
            assert_eq!(said.verdict(), Verdict::Skip, "{said:?}");
        }
    }

    #[cfg(feature = "anyhow")]
    #[test]
    fn anyhow_holds_the_error_and_gives_it_back() {
        let report = passed::<anyhow::Error>();
        assert_eq!(report.chain().map(ToString::to_string).collect::<Vec<_>>(), CHAIN);
        has_chain(&Error::from_boxed(report));
        let other = anyhow::Error::new(unread());
        let said = Err::<(), _>(other).dead_letter().unwrap_err();
        has_chain(&said);
        assert_eq!(said.verdict(), Verdict::DeadLetter);
    }

    #[cfg(feature = "eyre")]
    #[test]
    fn eyre_holds_the_error_and_gives_it_back() {
        let report = passed::<eyre::Report>();
        assert_eq!(report.chain().map(ToString::to_string).collect::<Vec<_>>(), CHAIN);
        has_chain(&Error::from_boxed(report));
        let other = eyre::Report::new(unread());
        let said = Err::<(), _>(other).dead_letter().unwrap_err();
        has_chain(&said);
        assert_eq!(said.verdict(), Verdict::DeadLetter);
    }
}
