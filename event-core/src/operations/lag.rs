//! How far groups are behind.

use std::collections::BTreeSet;

use super::offset_spec::all_partitions;
use super::{GroupTopics, OperationError, TIMEOUT};
use crate::broker::{Broker, BrokerError};
use crate::delivery::{NextOffset, SettledAbove, TopicPartition};
use crate::event::{GroupName, TopicName};

/// How far a group is behind in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// The group.
    pub group: GroupName,
    /// The partition.
    pub partition: TopicPartition,
    /// Where the group goes on; `None` when it never committed here and begins at the first record.
    pub committed: Option<NextOffset>,
    /// The first record that the log retains.
    pub low: NextOffset,
    /// Where the next record will lie.
    pub end: NextOffset,
    /// How many records above the committed offset are settled already.
    pub settled_above: i64,
    /// The instance of the service that has the partition, as `client@host`; `None` when nobody has, or
    /// when it is not known: while the group rebalances, without the right to describe the group, or on an
    /// embedded broker.
    pub owner: Option<String>,
}

impl PartitionLag {
    /// Whether the group has committed beyond the end: the log was truncated, or the topic recreated. No record
    /// lies there, so that the service chooses where to go on, by default at the first record.
    #[must_use]
    pub fn is_beyond_end(&self) -> bool {
        self.committed.is_some_and(|next| next > self.end)
    }

    /// How many offsets lie between where the group goes on and the end.
    #[must_use]
    pub fn lag(&self) -> i64 {
        let committed = self.committed.filter(|_| !self.is_beyond_end());
        let next = committed.unwrap_or(self.low).max(self.low);
        (self.end.0 - next.0).max(0)
    }

    /// How many of these are not settled yet.
    #[must_use]
    pub fn open(&self) -> i64 {
        (self.lag() - self.settled_above).max(0)
    }
}

/// A topic, or a partition of one, of which is not known how far a group is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLag {
    /// The group.
    pub group: GroupName,
    /// The topic.
    pub topic: TopicName,
    /// The partition; `None` for all of the topic.
    pub partition: Option<i32>,
    /// Whether handlers listen to it; otherwise it is one for retries or redriven records.
    pub has_handlers: bool,
    /// Why: it does not exist, may not be described, or has no leader.
    pub error: BrokerError,
}

/// How far groups are behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lags {
    /// In each partition.
    pub partitions: Vec<PartitionLag>,
    /// What is not known.
    pub unknown: Vec<UnknownLag>,
}

/// How far `groups` are behind in each partition of their topics, and of the topics for retries and
/// redrives of these, as far as they exist.
///
/// # Errors
///
/// [`OperationError::Broker`]; what is wrong with one topic or partition is in [`Lags::unknown`].
pub async fn lag_of<B: Broker>(broker: &B, groups: &[GroupTopics]) -> Result<Lags, OperationError> {
    let Lags { partitions: mut lags, mut unknown } = Lags::default();
    for group in groups {
        let mut topics = group.topics.clone();
        topics.extend(derived(group));
        let mut partitions = Vec::new();
        let found =
            if topics.is_empty() { vec![] } else { broker.topics(&topics, TIMEOUT).await? };
        for status in found {
            match status.partitions {
                Ok(count) => partitions.extend(all_partitions(&status.topic, count)),
                Err(BrokerError::UnknownTopic(_)) if !group.topics.contains(&status.topic) => {}
                Err(error) => unknown.push(UnknownLag {
                    group: group.group.clone(),
                    has_handlers: group.topics.contains(&status.topic),
                    topic: status.topic,
                    partition: None,
                    error,
                }),
            }
        }
        if partitions.is_empty() {
            continue;
        }
        let watermarks = broker.watermarks(&partitions, TIMEOUT).await?;
        let committed = broker.committed(&group.group, &partitions, TIMEOUT).await?;
        // The offsets are worth showing without it.
        let members =
            broker.members(&group.group, TIMEOUT).await.ok().flatten().unwrap_or_default();
        let owner = |partition: &TopicPartition| {
            let owner = members.iter().find(|member| member.partitions.contains(partition))?;
            Some(format!("{}@{}", owner.client_id, owner.host))
        };
        for (watermarks, committed) in watermarks.into_iter().zip(committed) {
            let watermarks = match watermarks {
                Ok(watermarks) => watermarks,
                Err(error) => {
                    let TopicPartition { topic, partition } = committed.partition;
                    unknown.push(UnknownLag {
                        group: group.group.clone(),
                        has_handlers: group.topics.contains(&topic),
                        topic,
                        partition: Some(partition),
                        error,
                    });
                    continue;
                }
            };
            let above = committed.next.map(|next| SettledAbove::decode(&committed.metadata, next));
            let ranges = above.iter().flat_map(|above| above.ranges());
            lags.push(PartitionLag {
                group: group.group.clone(),
                owner: owner(&watermarks.partition),
                partition: watermarks.partition,
                committed: committed.next,
                low: watermarks.low,
                end: watermarks.end,
                settled_above: ranges.map(|range| range.last.0 - range.first.0 + 1).sum(),
            });
        }
    }
    Ok(Lags { partitions: lags, unknown })
}

fn derived(group: &GroupTopics) -> BTreeSet<TopicName> {
    let retries = group.handlers.iter().flat_map(|handler| {
        let topic = TopicName::foreign(handler.topic).ok();
        handler.retry_topics().iter().filter_map(move |delay| topic.as_ref()?.retry(*delay).ok())
    });
    let redrives = group.topics.iter().filter_map(|topic| topic.redrive().ok());
    retries.chain(redrives).collect()
}
