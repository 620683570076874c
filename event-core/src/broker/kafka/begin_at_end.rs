//! Where partitions begin whose next record was removed, and `out_of_range` is `latest`.
//!
//! librdkafka goes to the end by itself (`auto.offset.reset=latest`), and it shows in the next record only.
//! Without one nothing is committed, and what comes while the service is down is passed over again. So the end
//! is asked for.

use std::time::Duration;

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;

use super::committed::names;
use super::raw::{committed_in, leader_epochs_in, set_last_leader_epoch};
use crate::broker::{OffsetReset, ResetReason};
use crate::delivery::{Epoch, NextOffset};

/// How long each of the two questions may take: the partitions stand still meanwhile.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Lets those partitions of `committed` begin at the end whose next record was removed; gives these, as of no
/// assignment yet.
pub(super) fn begin_at_the_end<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    committed: &mut TopicPartitionList,
) -> KafkaResult<Vec<OffsetReset>> {
    let starts = offsets(consumer, committed, Offset::Beginning)?;
    let ends = offsets(consumer, committed, Offset::End)?;
    let mut resets = Vec::new();
    let mut begins = TopicPartitionList::with_capacity(committed.count());
    let known = names(committed).into_iter().zip(committed_in(committed));
    let known = known.zip(leader_epochs_in(committed)).zip(starts.into_iter().zip(ends));
    for (((partition, known), leader_epoch), log) in known {
        let (topic, number) = (partition.topic.as_str(), partition.partition);
        let from = known.ok().and_then(|(next, _)| next);
        match (from, log) {
            (Some(from), (Some(start), Some(end))) if from < start => {
                begins.add_partition_offset(topic, number, Offset::Offset(end.0))?;
                let (epoch, reason) = (Epoch::default(), ResetReason::OutOfRange);
                resets.push(OffsetReset { partition, epoch, reason, from, to: end });
            }
            (Some(from), _) => {
                begins.add_partition_offset(topic, number, Offset::Offset(from.0))?;
                if let Some(leader_epoch) = leader_epoch {
                    set_last_leader_epoch(&mut begins, leader_epoch);
                }
            }
            (None, _) => {
                begins.add_partition(topic, number);
            }
        }
    }
    *committed = begins;
    Ok(resets)
}

/// The first offsets of the partitions, or their ends, where they are known.
fn offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
    at: Offset,
) -> KafkaResult<Vec<Option<NextOffset>>> {
    let mut question = TopicPartitionList::with_capacity(list.count());
    for one in list.elements() {
        question.add_partition_offset(one.topic(), one.partition(), at)?;
    }
    let answer = consumer.offsets_for_times(question, TIMEOUT)?;
    let offset = |one: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
        one.error().ok()?;
        match one.offset() {
            Offset::Offset(offset) => Some(NextOffset(offset)),
            _ => None,
        }
    };
    Ok(answer.elements().iter().map(offset).collect())
}
