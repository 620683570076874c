//! Offsets of partitions and groups, asked for and set from outside of the group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{
    Offset as NativeOffset, TopicPartitionList, TopicPartitionListElem,
};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::admin_client::AdminClient;
use super::commits::Refused;
use super::creation;
use super::errors;
use super::raw::{CommitQueue, GroupQueue, NativeGroup, committed_in};
use crate::broker::{BrokerError, Committed, GroupMember, Watermarks};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};

/// Before a commit that was refused for a moment is sent again.
const BRIEFLY: Duration = Duration::from_millis(100);

/// What is known of each partition, or why it is not.
type Answers<T> = Vec<Result<T, BrokerError>>;

pub(super) fn watermarks(
    admin: &AdminClient,
    partitions: &[TopicPartition],
) -> Result<Answers<Watermarks>, BrokerError> {
    let (lows, ends) = offsets_and_ends(admin, partitions, NativeOffset::Beginning)?;
    let watermarks = |((partition, low), end): ((&TopicPartition, Result<_, _>), Result<_, _>)| {
        let (low, end) = (NextOffset(low?), NextOffset(end?));
        Ok(Watermarks { partition: partition.clone(), low, end })
    };
    Ok(partitions.iter().zip(lows).zip(ends).map(watermarks).collect())
}

pub(super) fn offsets_at(
    admin: &AdminClient,
    partitions: &[TopicPartition],
    timestamp_ms: i64,
) -> Result<Vec<(TopicPartition, NextOffset)>, BrokerError> {
    // Before 1970 is nothing, and librdkafka has meanings of its own for what is negative.
    let at = NativeOffset::Offset(timestamp_ms.max(0));
    let (found, ends) = offsets_and_ends(admin, partitions, at)?;
    let offset = |((partition, found), end): ((&TopicPartition, Result<_, _>), Result<_, _>)| {
        let (found, end) = (found?, end?);
        Ok((partition.clone(), NextOffset(if found < 0 { end } else { found })))
    };
    partitions.iter().zip(found).zip(ends).map(offset).collect()
}

/// One offset for each of `partitions`, and where each ends.
fn offsets_and_ends(
    admin: &AdminClient,
    partitions: &[TopicPartition],
    at: NativeOffset,
) -> Result<(Answers<i64>, Answers<i64>), BrokerError> {
    let leaders = admin.leaders(partitions)?;
    // For the ends at least half of the time is left.
    let until = Instant::now() + admin.left() / 2;
    let offsets = list_offsets(admin, partitions, &leaders, at, until);
    // Who has not answered is not asked again.
    let answered = |(leader, answer): (Result<i32, BrokerError>, &Result<i64, BrokerError>)| {
        answer.as_ref().map_err(Clone::clone).and(leader)
    };
    let leaders: Vec<_> = leaders.into_iter().zip(&offsets).map(answered).collect();
    let until = Instant::now() + admin.left();
    let ends = list_offsets(admin, partitions, &leaders, NativeOffset::End, until);
    Ok((offsets, ends))
}

/// One offset for each of `partitions` that has a leader: negative where there is none at this time.
///
/// All leaders are asked at once. When not all of them answer in half of the time, librdkafka has kept no answer, so
/// that each is asked by itself: one that does not answer takes no other's answer away.
fn list_offsets(
    admin: &AdminClient,
    partitions: &[TopicPartition],
    leaders: &[Result<i32, BrokerError>],
    at: NativeOffset,
    until: Instant,
) -> Answers<i64> {
    let mut of_leaders = BTreeMap::<i32, Vec<usize>>::new();
    for (index, leader) in leaders.iter().enumerate() {
        if let Ok(leader) = leader {
            of_leaders.entry(*leader).or_default().push(index);
        }
    }
    let unanswered = |leader: &Result<i32, BrokerError>| match leader {
        Ok(_) => Err(admin.refused(Code::OperationTimedOut)),
        Err(error) => Err(error.clone()),
    };
    let mut answers: Answers<i64> = leaders.iter().map(unanswered).collect();
    let mut ask = |indexes: &[usize], until: Instant| {
        let asked: Vec<_> = indexes.iter().map(|index| &partitions[*index]).collect();
        for (index, answer) in indexes.iter().zip(ask_leaders(admin, &asked, at, until)) {
            answers[*index] = answer;
        }
        indexes.iter().all(|index| answers[*index].is_ok())
    };
    let all: Vec<_> = of_leaders.values().flatten().copied().collect();
    let share = |left: u32| {
        let now = Instant::now();
        now + until.saturating_duration_since(now) / left
    };
    if of_leaders.len() < 2 {
        ask(&all, until);
    } else if !ask(&all, share(2)) {
        let mut left = u32::try_from(of_leaders.len()).unwrap_or(u32::MAX);
        for indexes in of_leaders.values() {
            ask(indexes, share(left));
            left = left.saturating_sub(1).max(1);
        }
    }
    answers
}

/// The same of partitions with a leader, in one call.
fn ask_leaders(
    admin: &AdminClient,
    partitions: &[&TopicPartition],
    at: NativeOffset,
    until: Instant,
) -> Answers<i64> {
    let mut question = TopicPartitionList::with_capacity(partitions.len());
    for TopicPartition { topic, partition } in partitions {
        if let Err(error) = question.add_partition_offset(topic.as_str(), *partition, at) {
            return vec![Err(BrokerError::Other(error.to_string())); partitions.len()];
        }
    }
    // What was refused of one partition comes as its error: a leader that has just moved, say, so that it is
    // asked again.
    let mut answers: Vec<Result<i64, Code>> = Vec::new();
    let asked = admin.repeat_until(until, |time| {
        let answer = admin.client.offsets_for_times(question.clone(), time)?;
        let offset = |found: &TopicPartitionListElem<'_>| {
            found.error().map_err(|error| error.rdkafka_error_code().unwrap_or(Code::Unknown))?;
            // In place of an offset `End` says that no record is as late.
            Ok(found.offset().to_raw().unwrap_or(-1))
        };
        answers = answer.elements().iter().map(offset).collect();
        let refused = answers.iter().find_map(|answer| answer.as_ref().err());
        refused.map_or(Ok(()), |code| Err(KafkaError::OffsetFetch(*code)))
    });
    match asked {
        Err(error) if answers.is_empty() => vec![Err(error); partitions.len()],
        _ => {
            let refused = |code, topic| match code {
                Code::TopicAuthorizationFailed | Code::UnknownTopicOrPartition => {
                    errors::of_topic(code, topic)
                }
                code => admin.refused(code),
            };
            let answers = partitions.iter().zip(answers);
            answers
                .map(|(partition, answer)| answer.map_err(|code| refused(code, &partition.topic)))
                .collect()
        }
    }
}

pub(super) fn committed(
    admin: &AdminClient,
    partitions: &[TopicPartition],
) -> Result<Vec<Committed>, BrokerError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut question = TopicPartitionList::with_capacity(partitions.len());
    for TopicPartition { topic, partition } in partitions {
        question.add_partition(topic.as_str(), *partition);
    }
    let answer = admin.repeat(|time| admin.client.committed_offsets(question.clone(), time))?;
    let answers = committed_in(&answer);
    let committed = |(partition, answer): (&TopicPartition, _)| match answer {
        Ok((next, metadata)) => Ok(Committed { partition: partition.clone(), next, metadata }),
        // The embedded broker says so of a topic that is not there, a real one does not.
        Err(Code::UnknownTopicOrPartition) => {
            Ok(Committed { partition: partition.clone(), next: None, metadata: String::new() })
        }
        Err(code) => Err(admin.refused(code)),
    };
    partitions.iter().zip(answers).map(committed).collect()
}

pub(super) fn members(
    admin: &AdminClient,
    group: &GroupName,
) -> Result<Option<Vec<GroupMember>>, BrokerError> {
    if creation::is_embedded(admin) {
        return Ok(None);
    }
    let queue = GroupQueue::new(&admin.client)
        .ok_or_else(|| BrokerError::Fatal("the client's queue could not be made".to_owned()))?;
    queue.ask(group.as_str(), admin.left());
    let described = match wait(admin, |time| queue.answer(time)) {
        Some(Ok(described)) => described,
        Some(Err(code)) => return Err(admin.refused(code)),
        None => return Err(admin.refused(Code::OperationTimedOut)),
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
    admin: &AdminClient,
    group: &GroupName,
    offsets: &[(TopicPartition, NextOffset)],
) -> Result<(), BrokerError> {
    if offsets.is_empty() {
        return Ok(());
    }
    let partitions: Vec<_> = offsets.iter().map(|(partition, _)| partition.clone()).collect();
    admin.check(&partitions)?;
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (TopicPartition { topic, partition }, next) in offsets {
        list.add_partition_offset(topic.as_str(), *partition, NativeOffset::Offset(next.0))
            .map_err(|_| BrokerError::Other(format!("{topic}/{partition} has no offset {next}")))?;
    }
    // A commit by one who is no member, which the broker takes while there is none.
    let queue = CommitQueue::new(&admin.client)
        .ok_or_else(|| BrokerError::Fatal("the client's queue could not be made".to_owned()))?;
    let answer = loop {
        let answer = match queue.commit(&list) {
            Ok(()) => wait(admin, |time| queue.answer(time)),
            Err(code) => Some(Err(code)),
        };
        match answer {
            // After the coordinator has changed, it first reads the group.
            Some(Err(code))
                if errors::is_brief(code) && !is_of_members(code) && !admin.left().is_zero() =>
            {
                std::thread::sleep(BRIEFLY.min(admin.left()));
            }
            answer => break answer,
        }
    };
    match answer {
        Some(Ok(())) => Ok(()),
        Some(Err(code)) if is_of_members(code) => Err(BrokerError::GroupActive(group.to_string())),
        Some(Err(code)) => {
            let refused = Refused { code, metadata_bytes: 0 };
            Err(errors::of_commit(refused, admin.address(), &admin.last_error))
        }
        None => Err(admin.refused(Code::OperationTimedOut)),
    }
}

/// Waits for the answer, listening meanwhile to why there is none.
fn wait<T>(
    admin: &AdminClient,
    answer: impl Fn(Duration) -> Option<Result<T, Code>>,
) -> Option<Result<T, Code>> {
    let until = Instant::now() + admin.left();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if let Some(answer) = answer(left.min(Duration::from_millis(100))) {
            return Some(answer);
        }
        admin.listen();
        if left.is_zero() || admin.refusal().is_some() {
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
