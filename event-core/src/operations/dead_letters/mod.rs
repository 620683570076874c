//! Dead letters: list them, look at one, send them back to the handler that failed, or drop them.
//!
//! Nothing is ever removed from a dead-letter topic. A letter that was dealt with is *resolved* by
//! a record that is appended behind it ([`resolution_header`]), so that it works on every broker and
//! leaves a trail.

mod addressee;
mod fate;
mod filter;
mod letter;
mod list;
mod original;
mod redrive;
mod resolution;

pub use addressee::Addressees;
pub use fate::{Fate, fates};
pub use filter::{DeadLetterFilter, DeadLetterId, DeadLetterIdError};
pub use letter::{DeadLetter, LeftOut, Origin};
pub use list::{DeadLetters, dead_letter_topics, find, list};
pub use original::{original_of, record_of};
pub use redrive::{
    Left, Resolved, Resolver, Step, Unread, check_redrive_topics, unread_redrive_topics,
};
pub use resolution::{Resolution, header as resolution_header};

// With the clock paused.
#[cfg(all(test, feature = "testing"))]
mod tests;
