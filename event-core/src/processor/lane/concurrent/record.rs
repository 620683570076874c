//! What a lane knows of an in-flight record.

use crate::event::NameAt;
use crate::processor::settle::Job;
use crate::processor::tracker::Sequence;

/// A record that is not settled.
pub(super) struct InFlight {
    pub(super) sequence: Sequence,
    /// The number of its batch, and its index there.
    pub(super) batch: usize,
    pub(super) index: usize,
    /// Where the event's name stands, when the scan for it accepts the record.
    pub(super) name: Option<NameAt>,
    /// Whether a call or the outcome of one has it.
    pub(super) is_running: bool,
    /// What is known of it beyond that; of one that comes from a topic that handlers listen to, only once an
    /// attempt has failed. A call has it while it runs.
    pub(super) job: Option<Box<Job>>,
}
