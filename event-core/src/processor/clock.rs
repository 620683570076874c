//! What time it is, for everything that is written down or must not come early.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The time of day. Tests let it go with tokio's clock, which they can pause.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(Option<(Instant, Timestamp)>);

impl Clock {
    /// The time of day of this machine.
    #[must_use]
    pub fn system() -> Self {
        Clock(None)
    }

    /// Begins at the time of day and goes on with tokio's clock.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime whose clock is paused or advanced by hand.
    #[must_use]
    pub fn of_tokio() -> Self {
        Clock(Some((Instant::now(), Timestamp::now())))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.0 {
            None => Timestamp::now(),
            Some((start, at)) => {
                let gone = SignedDuration::try_from(start.elapsed()).unwrap_or_default();
                at.checked_add(gone).unwrap_or(Timestamp::MAX)
            }
        }
    }
}
