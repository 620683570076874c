//! The dead letters that a topic holds and that nobody dealt with yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::resolution::resolved_by;
use super::{DeadLetter, DeadLetterFilter, DeadLetterId};
use crate::broker::{Broker, BrokerError, ReadRequest, Reader};
use crate::delivery::{NextOffset, Offset, TopicPartition};
use crate::event::TopicName;
use crate::operations::offset_spec::all_partitions;
use crate::operations::{OperationError, TIMEOUT};
use crate::router::{EventRouter, Purpose};

/// What was found in dead-letter topics.
#[derive(Clone, Debug, Default)]
pub struct DeadLetters {
    /// The letters that are meant, by topic, partition and offset; at most as many as the filter
    /// allows.
    pub letters: Vec<DeadLetter>,
    /// How many are meant, whatever the limit.
    pub matching: usize,
    /// How many nobody dealt with yet, whether they are meant or not.
    pub open: usize,
    /// Which handlers gave these up.
    pub handlers: BTreeSet<String>,
    /// The reasons that these have.
    pub reasons: BTreeSet<String>,
    /// How many of these were given up by other groups than the filter's.
    pub of_other_groups: usize,
    /// The names of those groups.
    pub other_groups: BTreeSet<String>,
    /// How many were resolved before.
    pub resolved: usize,
    /// How many records are no dead letters of this framework.
    pub foreign: usize,
    /// Dead-letter topics that do not exist.
    pub missing: Vec<TopicName>,
}

/// The dead-letter topics of a service with these handlers, a table for each of its groups: each with
/// the topics whose letters it takes.
#[must_use]
pub fn dead_letter_topics<'a>(
    groups: impl IntoIterator<Item = &'a EventRouter>,
) -> BTreeMap<TopicName, BTreeSet<TopicName>> {
    let mut topics = BTreeMap::<_, BTreeSet<_>>::new();
    let derived = groups.into_iter().flat_map(EventRouter::derived_topics).filter_map(Result::ok);
    for derived in derived.filter(|derived| derived.purpose == Purpose::DeadLetters) {
        topics.entry(derived.topic).or_default().insert(derived.origin);
    }
    topics
}

/// The dead letters in `topics` that nobody dealt with yet and that `filter` means. All of each
/// topic is read, and what is kept of a letter is what its headers say.
///
/// # Errors
///
/// [`OperationError::Broker`]; a topic that does not exist is no error.
pub async fn list<B: Broker>(
    broker: &B,
    topics: &[TopicName],
    filter: &DeadLetterFilter,
) -> Result<DeadLetters, OperationError> {
    let mut found = DeadLetters::default();
    let mut partitions = Vec::new();
    if !topics.is_empty() {
        for status in broker.topics(topics, TIMEOUT).await? {
            match status.partitions {
                Ok(count) => partitions.extend(all_partitions(&status.topic, count)),
                Err(BrokerError::UnknownTopic(_)) => found.missing.push(status.topic),
                Err(error) => return Err(error.into()),
            }
        }
    }
    let from_the_start = partitions.into_iter().map(|p| (p, NextOffset(0), None)).collect();
    let mut reader = broker.read(ReadRequest { partitions: from_the_start, follow: false })?;
    let mut letters = BTreeMap::<(TopicPartition, Offset), DeadLetter>::new();
    let mut resolved = BTreeSet::new();
    while let Some(batch) = reader.next().await {
        let batch = batch?;
        for record in batch.iter() {
            if let Some((partition, offset)) = resolved_by(record) {
                let topic = batch.partition().topic.clone();
                resolved.insert((TopicPartition { topic, partition }, offset));
            } else if let Some(letter) = DeadLetter::read(batch.partition(), record) {
                letters.insert((batch.partition().as_ref().clone(), record.offset), letter);
            } else {
                found.foreign += 1;
            }
        }
    }
    let all = letters.len();
    letters.retain(|place, _| !resolved.contains(place));
    found.resolved = all - letters.len();
    let letters = without_copies(letters.into_values());
    found.open = letters.len();
    found.handlers = letters.iter().filter_map(|letter| letter.handler.clone()).collect();
    found.reasons = letters.iter().map(|letter| letter.reason.clone()).collect();
    for letter in letters.iter().filter(|letter| !filter.is_group(letter)) {
        found.of_other_groups += 1;
        found.other_groups.insert(letter.group.clone());
    }
    found.letters = letters.into_iter().filter(|letter| filter.matches(letter)).collect();
    found.matching = found.letters.len();
    found.letters.truncate(filter.limit.unwrap_or(usize::MAX));
    Ok(found)
}

/// The dead letter with this id that nobody dealt with yet.
///
/// # Errors
///
/// [`OperationError::NoSuchLetter`] and [`OperationError::SeveralLetters`].
pub async fn find<B: Broker>(
    broker: &B,
    topics: &[TopicName],
    id: &DeadLetterId,
) -> Result<DeadLetter, OperationError> {
    let filter = DeadLetterFilter { ids: vec![id.clone()], ..DeadLetterFilter::default() };
    let mut found = list(broker, topics, &filter).await?.letters;
    match (found.pop(), found.len()) {
        (Some(letter), 0) => Ok(letter),
        (Some(last), others) => {
            let all = found.iter().chain([&last]).map(|letter| letter.place.to_string());
            let ids = all.collect::<Vec<_>>().join(", ");
            Err(OperationError::SeveralLetters { id: id.to_string(), count: others + 1, ids })
        }
        (None, _) => {
            let topics = topics.iter().map(TopicName::as_str).collect::<Vec<_>>().join(", ");
            Err(OperationError::NoSuchLetter { id: id.to_string(), topics })
        }
    }
}

// A letter that was written again, because the service crashed before it committed, is one.
fn without_copies(letters: impl Iterator<Item = DeadLetter>) -> Vec<DeadLetter> {
    let mut of_id = HashMap::<_, Vec<usize>>::new();
    let mut unique = Vec::<DeadLetter>::new();
    for letter in letters {
        let firsts = of_id.entry(letter.id.clone()).or_default();
        match firsts.iter().find(|first| unique[**first].is_copy_of(&letter)) {
            Some(first) => unique[*first].copies.push(letter.place),
            None => {
                firsts.push(unique.len());
                unique.push(letter);
            }
        }
    }
    unique
}
