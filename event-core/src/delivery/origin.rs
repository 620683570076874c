//! Where a record was first.

use super::{Offset, TopicPartition};

/// Where a record was first, which is where it lies unless it is on a retry or redrive topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: Offset,
    pub(crate) timestamp_ms: i64,
}
