//! What was committed for partitions that are about to be ours.

use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaErrorCode as Code;
use rustc_hash::FxHashMap;

use super::errors::{self, LastError};
use super::raw::{committed_in, leader_epochs_in};
use crate::broker::{AssignedPartition, BrokerError};
use crate::delivery::TopicPartition;
use crate::event::TopicName;

/// How long an assignment waits for the answer. The partitions stand still meanwhile, so it is
/// short against the time-out of a session.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks the broker. Without an answer the partitions are to be taken all the same: what is known
/// to be done beyond the offset is then done again, which is better than done by nobody.
pub(super) fn ask<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
    last_error: &LastError,
) -> Result<TopicPartitionList, BrokerError> {
    let until = Instant::now() + TIMEOUT;
    let refused = loop {
        let left = until.saturating_duration_since(Instant::now());
        let code = match consumer.committed_offsets(list.clone(), left) {
            Ok(committed) => match committed_in(&committed).into_iter().find_map(Result::err) {
                None => return Ok(committed),
                Some(code) => code,
            },
            Err(error) => error.rdkafka_error_code().unwrap_or(Code::Unknown),
        };
        // The group changes often while instances come and go, and the client is about to hear of it.
        if errors::is_brief(code) && Instant::now() + PAUSE < until {
            std::thread::sleep(PAUSE);
            continue;
        }
        break match code {
            Code::OperationTimedOut => last_error.reason(),
            code => code.to_string(),
        };
    };
    Err(BrokerError::Other(format!(
        "what was committed for {} of the new partitions is not known, and records that were handled out of their order may be handled again: {refused}",
        list.count()
    )))
}

/// Partitions with what was committed for them, where that is known.
pub(super) fn with_committed(
    partitions: Vec<TopicPartition>,
    committed: Option<&TopicPartitionList>,
) -> Vec<AssignedPartition> {
    let found = committed.map(|list| names(list).into_iter().zip(committed_in(list)));
    let mut found: FxHashMap<_, _> = found.into_iter().flatten().collect();
    partitions
        .into_iter()
        .map(|partition| {
            let (next, metadata) = match found.remove(&partition) {
                Some(Ok(committed)) => committed,
                Some(Err(_)) | None => (None, String::new()),
            };
            AssignedPartition { partition, next, metadata }
        })
        .collect()
}

/// The leader epochs that were committed with the offsets of `partitions`, where they are known.
pub(super) fn leader_epochs(
    partitions: &[TopicPartition],
    committed: Option<&TopicPartitionList>,
) -> Vec<Option<i32>> {
    let known = committed.map(|list| names(list).into_iter().zip(leader_epochs_in(list)));
    let known: FxHashMap<_, _> = known.into_iter().flatten().collect();
    partitions.iter().map(|partition| known.get(partition).copied().flatten()).collect()
}

/// Lets those partitions begin at their earliest record for which nothing was committed.
pub(super) fn begin_at_the_earliest(list: &mut TopicPartitionList) -> KafkaResult<()> {
    let committed = committed_in(list);
    for (mut partition, committed) in list.elements().into_iter().zip(committed) {
        if matches!(committed, Ok((None, _))) {
            partition.set_offset(Offset::Beginning)?;
        }
    }
    Ok(())
}

/// The partitions of a list.
pub(super) fn names(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements()
        .iter()
        // What we subscribe to is a `TopicName`, perhaps one that others chose, so every one is valid.
        .filter_map(|one| {
            let topic = TopicName::foreign(one.topic()).ok()?;
            Some(TopicPartition { topic, partition: one.partition() })
        })
        .collect()
}
