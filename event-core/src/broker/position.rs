//! Positions that are not in their log any more.

use std::fmt;

use crate::delivery::{Epoch, NextOffset, TopicPartition};
use crate::event::setting_words;

/// Where a group goes on whose next record was removed before it was read: its offset lies before the
/// first record of the partition. A group without an offset begins at the earliest record in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfRange {
    /// At the earliest record that is left.
    #[default]
    Earliest,
    /// At the end: what is written from now on.
    Latest,
    /// Nowhere: the service ends with an error, until a person sets the offset.
    Stop,
}

setting_words!(OutOfRange: Earliest = "earliest", Latest = "latest", Stop = "stop");

/// A position that was not in its log any more, and where the partition goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetReset {
    /// The partition.
    pub partition: TopicPartition,
    /// The assignment in which it was noticed.
    pub epoch: Epoch,
    /// Why.
    pub reason: ResetReason,
    /// Where it was to go on.
    pub from: NextOffset,
    /// Where it goes on.
    pub to: NextOffset,
}

impl OffsetReset {
    /// How many offsets lie between: so many records at most were passed over, or read and then cut
    /// off.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.from.0.abs_diff(self.to.0)
    }
}

/// Why a position is not in its log any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetReason {
    /// The records from there on were removed before they were read: by the topic's retention, or by a
    /// person.
    OutOfRange,
    /// The log was cut off below it by an unclean leader election, or its topic recreated: other
    /// records have these offsets now, and are read.
    LogTruncated,
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResetReason::OutOfRange => "records were removed before they were read",
            ResetReason::LogTruncated => {
                "the log was truncated below the committed offset, or its topic recreated"
            }
        })
    }
}
