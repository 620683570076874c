//! Lets a group go on elsewhere.

use super::offset_spec::all_partitions;
use super::{OffsetSpec, OperationError, TIMEOUT, resolve};
use crate::broker::{Broker, BrokerError};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};

/// Where a group goes on in a partition, and where it is to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The partition.
    pub partition: TopicPartition,
    /// Where it goes on now; `None` when it never committed here.
    pub from: Option<NextOffset>,
    /// Where it is to go on.
    pub to: NextOffset,
}

/// Where a group is to go on in the partitions of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeekPlan {
    /// In each partition.
    pub moves: Vec<Move>,
    /// The partitions of which is not known what they hold, and why: one has no leader, say.
    pub unknown: Vec<(TopicPartition, BrokerError)>,
}

/// What [`seek`] would do in one partition of `topic`, or in all of them.
///
/// # Errors
///
/// [`OperationError::NoSuchPartition`], [`OperationError::OutOfRange`] for an offset that one of the
/// partitions does not hold, and [`OperationError::Broker`]; what is wrong with one partition is in
/// [`SeekPlan::unknown`].
pub async fn plan_seek<B: Broker>(
    broker: &B,
    group: &GroupName,
    topic: &TopicName,
    partition: Option<i32>,
    place: OffsetSpec,
) -> Result<SeekPlan, OperationError> {
    let partitions = some_partitions(broker, topic, partition).await?;
    let (mut watermarks, mut unknown) = (Vec::new(), Vec::new());
    let answers = broker.watermarks(&partitions, TIMEOUT).await?;
    for (partition, answer) in partitions.into_iter().zip(answers) {
        match answer {
            Ok(known) => watermarks.push(known),
            Err(error) => unknown.push((partition, error)),
        }
    }
    let partitions: Vec<_> = watermarks.iter().map(|known| known.partition.clone()).collect();
    let to = resolve(broker, &partitions, place).await?;
    for (watermarks, to) in watermarks.iter().zip(&to) {
        if !(watermarks.low..=watermarks.end).contains(to) {
            return Err(OperationError::OutOfRange {
                partition: watermarks.partition.clone(),
                offset: to.0,
                low: watermarks.low,
                end: watermarks.end,
            });
        }
    }
    let committed = broker.committed(group, &partitions, TIMEOUT).await?;
    let moves = committed.into_iter().zip(to).map(|(committed, to)| Move {
        partition: committed.partition,
        from: committed.next,
        to,
    });
    Ok(SeekPlan { moves: moves.collect(), unknown })
}

/// Lets a group without members go on elsewhere.
///
/// # Errors
///
/// [`OperationError::GroupActive`] and [`OperationError::Broker`].
pub async fn seek<B: Broker>(
    broker: &B,
    group: &GroupName,
    moves: &[Move],
) -> Result<(), OperationError> {
    let offsets: Vec<_> = moves.iter().map(|to| (to.partition.clone(), to.to)).collect();
    match broker.reset(group, &offsets, TIMEOUT).await {
        Err(BrokerError::GroupActive(_)) => Err(OperationError::GroupActive(group.clone())),
        done => Ok(done?),
    }
}

/// One partition of `topic`, or all of them.
pub(super) async fn some_partitions<B: Broker>(
    broker: &B,
    topic: &TopicName,
    partition: Option<i32>,
) -> Result<Vec<TopicPartition>, OperationError> {
    let found = broker.topics(std::slice::from_ref(topic), TIMEOUT).await?;
    let mut partitions = Vec::new();
    for status in found {
        let count = status.partitions?;
        if let Some(partition) = partition.filter(|partition| !(0..count).contains(partition)) {
            return Err(OperationError::NoSuchPartition { topic: topic.clone(), partition, count });
        }
        partitions.extend(all_partitions(topic, count));
    }
    partitions.retain(|own| partition.is_none_or(|partition| own.partition == partition));
    Ok(partitions)
}
