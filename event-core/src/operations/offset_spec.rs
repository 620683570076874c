//! A place in a topic, as a person names it, and the offsets that it is.

use jiff::Timestamp;

use super::{OperationError, TIMEOUT};
use crate::broker::{Broker, Watermarks};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::TopicName;

/// A place in each partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first record that the log retains.
    Beginning,
    /// After the last record.
    End,
    /// The first record of this time or later.
    Time(Timestamp),
    /// This offset, in every partition.
    Offset(i64),
}

/// The partitions of `topics`, in order.
///
/// # Errors
///
/// [`OperationError::NoSuchTopic`] and [`OperationError::Broker`].
pub async fn partitions_of<B: Broker>(
    broker: &B,
    topics: &[TopicName],
) -> Result<Vec<TopicPartition>, OperationError> {
    let mut partitions = Vec::new();
    if topics.is_empty() {
        return Ok(partitions);
    }
    for status in broker.topics(topics, TIMEOUT).await? {
        let count = status.partitions?;
        partitions.extend(all_partitions(&status.topic, count));
    }
    Ok(partitions)
}

pub(super) fn all_partitions(
    topic: &TopicName,
    count: i32,
) -> impl Iterator<Item = TopicPartition> + '_ {
    (0..count).map(|partition| TopicPartition { topic: topic.clone(), partition })
}

/// The offset of `place` in each of `partitions`, in their order. An offset is taken as it is,
/// whether the partition holds it or not.
///
/// # Errors
///
/// [`OperationError::Broker`].
pub async fn resolve<B: Broker>(
    broker: &B,
    partitions: &[TopicPartition],
    place: OffsetSpec,
) -> Result<Vec<NextOffset>, OperationError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    Ok(match place {
        OffsetSpec::Offset(offset) => vec![NextOffset(offset); partitions.len()],
        OffsetSpec::Time(time) => {
            let time_ms = time.as_millisecond();
            let found = broker.offsets_at(partitions, time_ms, TIMEOUT).await?;
            found.into_iter().map(|(_, offset)| offset).collect()
        }
        OffsetSpec::Beginning | OffsetSpec::End => {
            let watermarks = broker.watermarks(partitions, TIMEOUT).await?.into_iter();
            let end = place == OffsetSpec::End;
            let place = |marks: Watermarks| if end { marks.end } else { marks.low };
            watermarks.map(|marks| marks.map(place)).collect::<Result<_, _>>()?
        }
    })
}
