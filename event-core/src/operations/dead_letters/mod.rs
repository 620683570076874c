//! Dead letters: list them, look at one, send them back to the handler that failed, or drop them.
//!
//! Nothing is ever removed from a dead-letter topic. A letter that was dealt with is *resolved* by
//! a record that is appended behind it ([`resolution_header`]), so that it works on every broker and
//! leaves a trail.
//!
//! A dead letter is *open* until a record of resolution is appended to its partition, which names it by
//! `partition@offset` (`operations::dead_letters::resolution_header`). Letters with the same `dlq.id`,
//! `dlq.timestamp`, `dlq.redrive_id`, key and value are copies of one, written twice by a crash, and are resolved
//! together. One that failed again after a redrive carries that one's id as `dlq.redrive_id` and is another; so is
//! that of another record at the same offset, in a topic that was recreated. Only what stands from the last
//! `dlq.topic` on is read as ours, and in a retry or redrive topic what stands from the last `retry.topic` on:
//! before it stand the original's own headers. A redrive sends the original to `<topic>_redrive`, waits for the
//! acknowledgement, and then appends the resolution: a crash in between leaves the letter open, and the second
//! redrive has the same id.

mod redrive_target;
mod redrive_preview;
mod filter;
mod letter;
mod list;
mod original;
mod redrive;
mod resolution;

pub use filter::{DeadLetterFilter, DeadLetterId, DeadLetterIdError};
pub use letter::{DeadLetter, LeftOut, Origin};
pub use list::{DeadLetters, dead_letter_topics, find, list};
pub use original::{original_of, record_of};
pub use redrive::{
    RedriveSkipReason, Resolved, Resolver, Step, Unread, check_redrive_topics,
    unread_redrive_topics,
};
pub use redrive_preview::{RedrivePreview, preview_redrive};
pub use redrive_target::RedriveTargets;
pub use resolution::{Resolution, header as resolution_header};

// With the clock paused.
#[cfg(all(test, feature = "testing"))]
mod tests;
