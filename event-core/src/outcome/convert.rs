//! An [`Error`] as one of the errors that hold any other, and back.
//!
//! It cannot itself be a `std::error::Error`, or `?` would be ambiguous; so `?` cannot make it of what
//! is none either, as a boxed error is.

use std::error::Error as StdError;
use std::fmt;

use super::{Cause, Error};

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
    pub fn from_boxed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match error.into().downcast::<Carrier>() {
            Ok(carrier) => carrier.0,
            Err(cause) => Error { cause: cause.into(), verdict: None, of_all: false },
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
        let chain = std::iter::successors(Some(&*error), |error| (*error).source());
        let texts: Vec<_> = chain.map(ToString::to_string).collect();
        let told = texts
            .into_iter()
            .rev()
            .fold(None, |source, text| Some(Box::new(Told { text, source })));
        told.map_or_else(|| Error::msg(""), |told| Error::from(*told))
    }
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
struct Told {
    text: String,
    source: Option<Box<Told>>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Told {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Box::new(Carrier(error))
    }
}

impl From<Error> for Box<dyn StdError + Send> {
    fn from(error: Error) -> Self {
        Box::new(Carrier(error))
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        Box::new(Carrier(error))
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
    use crate::outcome::{Classify, Verdict};

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
        let pass = || -> Result<(), E> { Err(failed())? };
        pass().unwrap_err()
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

    #[cfg(feature = "anyhow")]
    #[test]
    fn anyhow_holds_the_error_and_gives_it_back() {
        let held = passed::<anyhow::Error>();
        assert_eq!(held.chain().map(ToString::to_string).collect::<Vec<_>>(), CHAIN);
        has_chain(&Error::from_boxed(held));
        let other = anyhow::Error::new(unread());
        let said = Err::<(), _>(other).dead_letter().unwrap_err();
        has_chain(&said);
        assert_eq!(said.verdict(), Verdict::DeadLetter);
    }

    #[cfg(feature = "eyre")]
    #[test]
    fn eyre_holds_the_error_and_gives_it_back() {
        let held = passed::<eyre::Report>();
        assert_eq!(held.chain().map(ToString::to_string).collect::<Vec<_>>(), CHAIN);
        has_chain(&Error::from_boxed(held));
        let other = eyre::Report::new(unread());
        let said = Err::<(), _>(other).dead_letter().unwrap_err();
        has_chain(&said);
        assert_eq!(said.verdict(), Verdict::DeadLetter);
    }
}
