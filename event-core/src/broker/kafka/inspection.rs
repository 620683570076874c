//! Offsets of partitions and groups, asked for and set from outside of the group.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{
    Offset as NativeOffset, TopicPartitionList, TopicPartitionListElem,
};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::asking::Asking;
use super::commits::Refused;
use super::creation;
use super::raw::{CommitQueue, GroupQueue, NativeGroup, committed_in};
use super::trouble;
use crate::broker::{BrokerError, Committed, GroupMember, Watermarks};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};

pub(super) fn watermarks(
    asking: &Asking,
    partitions: &[TopicPartition],
) -> Result<Vec<Watermarks>, BrokerError> {
    let lows = list_offsets(asking, partitions, NativeOffset::Beginning)?;
    let ends = list_offsets(asking, partitions, NativeOffset::End)?;
    let watermarks = |((partition, low), end): ((&TopicPartition, _), _)| Watermarks {
        partition: partition.clone(),
        low: NextOffset(low),
        end: NextOffset(end),
    };
    Ok(partitions.iter().zip(lows).zip(ends).map(watermarks).collect())
}

pub(super) fn offsets_at(
    asking: &Asking,
    partitions: &[TopicPartition],
    timestamp_ms: i64,
) -> Result<Vec<(TopicPartition, NextOffset)>, BrokerError> {
    // Before 1970 is nothing, and librdkafka has meanings of its own for what is negative.
    let at = NativeOffset::Offset(timestamp_ms.max(0));
    let found = list_offsets(asking, partitions, at)?;
    let ends = list_offsets(asking, partitions, NativeOffset::End)?;
    let offset = |((partition, found), end): ((&TopicPartition, i64), i64)| {
        (partition.clone(), NextOffset(if found < 0 { end } else { found }))
    };
    Ok(partitions.iter().zip(found).zip(ends).map(offset).collect())
}

/// One offset for each of `partitions`: negative where there is none at this time.
fn list_offsets(
    asking: &Asking,
    partitions: &[TopicPartition],
    at: NativeOffset,
) -> Result<Vec<i64>, BrokerError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    asking.check(partitions)?;
    let mut question = TopicPartitionList::with_capacity(partitions.len());
    for TopicPartition { topic, partition } in partitions {
        question
            .add_partition_offset(topic.as_str(), *partition, at)
            .map_err(|error| BrokerError::Other(error.to_string()))?;
    }
    // What one broker refused comes as the error of its partitions: a leader that has just moved,
    // say, so that it is asked again.
    asking.repeat(|time| {
        let answer = asking.client.offsets_for_times(question.clone(), time)?;
        let offset = |found: &TopicPartitionListElem<'_>| {
            found.error()?;
            // In place of an offset `End` says that no record is as late.
            Ok(found.offset().to_raw().unwrap_or(-1))
        };
        answer.elements().iter().map(offset).collect()
    })
}

pub(super) fn committed(
    asking: &Asking,
    partitions: &[TopicPartition],
) -> Result<Vec<Committed>, BrokerError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut question = TopicPartitionList::with_capacity(partitions.len());
    for TopicPartition { topic, partition } in partitions {
        question.add_partition(topic.as_str(), *partition);
    }
    let answer = asking.repeat(|time| asking.client.committed_offsets(question.clone(), time))?;
    let answers = committed_in(&answer);
    let committed = |(partition, answer): (&TopicPartition, _)| match answer {
        Ok((next, metadata)) => Ok(Committed { partition: partition.clone(), next, metadata }),
        // The embedded broker says so of a topic that is not there, a real one does not.
        Err(Code::UnknownTopicOrPartition) => {
            Ok(Committed { partition: partition.clone(), next: None, metadata: String::new() })
        }
        Err(code) => Err(asking.refused(code)),
    };
    partitions.iter().zip(answers).map(committed).collect()
}

pub(super) fn members(
    asking: &Asking,
    group: &GroupName,
) -> Result<Option<Vec<GroupMember>>, BrokerError> {
    if creation::is_embedded(asking) {
        return Ok(None);
    }
    let queue = GroupQueue::new(&asking.client)
        .ok_or_else(|| BrokerError::Fatal("the client's queue could not be made".to_owned()))?;
    queue.ask(group.as_str(), asking.left());
    let described = match wait(asking, |time| queue.answer(time)) {
        Some(Ok(described)) => described,
        Some(Err(code)) => return Err(asking.refused(code)),
        None => return Err(asking.refused(Code::OperationTimedOut)),
    };
    let NativeGroup { is_stable, members } = described;
    if !is_stable && !members.is_empty() {
        return Ok(None);
    }
    let members = members.into_iter().map(|member| {
        let partitions = member.partitions.into_iter().filter_map(|(topic, partition)| {
            Some(TopicPartition { topic: TopicName::foreign(&topic).ok()?, partition })
        });
        GroupMember {
            client_id: member.client_id,
            host: member.host.trim_start_matches('/').to_owned(),
            partitions: partitions.collect(),
        }
    });
    Ok(Some(members.collect()))
}

pub(super) fn reset(
    asking: &Asking,
    group: &GroupName,
    offsets: &[(TopicPartition, NextOffset)],
) -> Result<(), BrokerError> {
    if offsets.is_empty() {
        return Ok(());
    }
    let partitions: Vec<_> = offsets.iter().map(|(partition, _)| partition.clone()).collect();
    asking.check(&partitions)?;
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (TopicPartition { topic, partition }, next) in offsets {
        list.add_partition_offset(topic.as_str(), *partition, NativeOffset::Offset(next.0))
            .map_err(|_| BrokerError::Other(format!("{topic}/{partition} has no offset {next}")))?;
    }
    // A commit by one who is no member, which the broker takes while there is none.
    let queue = CommitQueue::new(&asking.client)
        .ok_or_else(|| BrokerError::Fatal("the client's queue could not be made".to_owned()))?;
    let sent = queue.commit(&list);
    let answer = match sent {
        Ok(()) => wait(asking, |time| queue.answer(time)),
        Err(code) => Some(Err(code)),
    };
    match answer {
        Some(Ok(())) => Ok(()),
        Some(Err(code)) if is_of_members(code) => Err(BrokerError::GroupActive(group.to_string())),
        Some(Err(code)) => {
            let refused = Refused { code, metadata_bytes: 0 };
            Err(trouble::of_commit(refused, asking.address(), &asking.heard))
        }
        None => Err(asking.refused(Code::OperationTimedOut)),
    }
}

/// Waits for the answer, listening meanwhile to why there is none.
fn wait<T>(
    asking: &Asking,
    answer: impl Fn(Duration) -> Option<Result<T, Code>>,
) -> Option<Result<T, Code>> {
    let until = Instant::now() + asking.left();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if let Some(answer) = answer(left.min(Duration::from_millis(100))) {
            return Some(answer);
        }
        asking.listen();
        if left.is_zero() || asking.refusal().is_some() {
            return None;
        }
    }
}

/// What a broker says to the commit of a stranger while the group has members.
fn is_of_members(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownMemberId
            | Code::IllegalGeneration
            | Code::RebalanceInProgress
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch
    )
}
