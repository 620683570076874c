//! The records that dead letters were made of.

use std::collections::{BTreeMap, VecDeque};

use super::DeadLetter;
use crate::broker::{Broker, BrokerError, ReadRequest, Reader};
use crate::delivery::{NextOffset, Offset, Position, TopicPartition};
use crate::event::Headers;
use crate::operations::{OperationError, OwnedRecord};
use crate::processor::dead_letter_header;

/// The record that `letter` was made of: its key, value and own headers. What the letter left out is
/// read from the origin; `None` when that no longer holds the record.
///
/// # Errors
///
/// [`OperationError::Broker`].
pub async fn original_of<B: Broker>(
    broker: &B,
    letter: &DeadLetter,
) -> Result<Option<OwnedRecord>, OperationError> {
    let mut originals = Originals::read(broker, std::slice::from_ref(letter))?;
    Ok(originals.next().await?.and_then(|(_, original)| original))
}

/// The letter itself as it lies in the dead-letter topic, with all its headers; `None` when the topic
/// no longer holds it.
///
/// # Errors
///
/// [`OperationError::Broker`].
pub async fn record_of<B: Broker>(
    broker: &B,
    letter: &DeadLetter,
) -> Result<Option<OwnedRecord>, OperationError> {
    let Position { topic, partition, offset, .. } = letter.place.clone();
    Ok(read_one(broker, TopicPartition { topic, partition }, offset).await?)
}

/// Letters with their originals, one after the other, however many there are: each batch of the
/// dead-letter topic is read again and let go.
pub(super) struct Originals<'a, B: Broker> {
    broker: &'a B,
    reader: B::Reader,
    wanted: BTreeMap<TopicPartition, BTreeMap<Offset, &'a DeadLetter>>,
    ready: VecDeque<(&'a DeadLetter, OwnedRecord)>,
}

impl<'a, B: Broker> Originals<'a, B> {
    pub(super) fn read(broker: &'a B, letters: &'a [DeadLetter]) -> Result<Self, BrokerError> {
        let mut wanted = BTreeMap::<_, BTreeMap<_, _>>::new();
        for letter in letters {
            let topic = letter.place.topic.clone();
            let partition = TopicPartition { topic, partition: letter.place.partition };
            wanted.entry(partition).or_default().insert(letter.place.offset, letter);
        }
        let range = |(partition, letters): (&TopicPartition, &BTreeMap<Offset, _>)| {
            let (first, last) = (letters.keys().next()?, letters.keys().next_back()?);
            Some((partition.clone(), NextOffset(first.0), Some(last.next())))
        };
        let partitions = wanted.iter().filter_map(range).collect();
        let reader = broker.read(ReadRequest { partitions, follow: false })?;
        Ok(Originals { broker, reader, wanted, ready: VecDeque::new() })
    }

    /// The next letter with its original. A letter that its topic no longer holds is left out.
    pub(super) async fn next(
        &mut self,
    ) -> Result<Option<(&'a DeadLetter, Option<OwnedRecord>)>, OperationError> {
        while self.ready.is_empty() {
            let Some(batch) = self.reader.next().await else { return Ok(None) };
            let batch = batch?;
            let Some(wanted) = self.wanted.get(&**batch.partition()) else { continue };
            for record in batch.iter() {
                if let Some(letter) = wanted.get(&record.offset) {
                    self.ready.push_back((letter, OwnedRecord::from(record)));
                }
            }
        }
        let Some((letter, record)) = self.ready.pop_front() else { return Ok(None) };
        let original = match letter.left_out.any() {
            true => at_origin(self.broker, letter).await?,
            false => Some(OwnedRecord {
                offset: letter.origin.offset,
                timestamp_ms: letter.origin.timestamp_ms,
                headers: own_headers(&record.headers),
                ..record
            }),
        };
        Ok(Some((letter, original)))
    }
}

// The record at the origin, if it is still there and still the same: a topic that was recreated has
// another at that offset.
async fn at_origin<B: Broker>(
    broker: &B,
    letter: &DeadLetter,
) -> Result<Option<OwnedRecord>, OperationError> {
    let origin = &letter.origin;
    let record = match read_one(broker, origin.partition.clone(), origin.offset).await {
        Err(BrokerError::UnknownTopic(_)) => None,
        record => record?,
    };
    Ok(record.filter(|record| record.timestamp_ms == origin.timestamp_ms))
}

async fn read_one<B: Broker>(
    broker: &B,
    partition: TopicPartition,
    offset: Offset,
) -> Result<Option<OwnedRecord>, BrokerError> {
    let partitions = vec![(partition, NextOffset(offset.0), Some(offset.next()))];
    let mut reader = broker.read(ReadRequest { partitions, follow: false })?;
    while let Some(batch) = reader.next().await {
        let batch = batch?;
        if let Some(record) = batch.iter().find(|record| record.offset == offset) {
            return Ok(Some(OwnedRecord::from(record)));
        }
    }
    Ok(None)
}

// Ours follow the original's, so that the original may have had the same names: what stands before
// the last `dlq.topic` is its own.
fn own_headers(headers: &Headers) -> Headers {
    let letter = headers.iter().collect::<Vec<_>>();
    let first = letter.iter().rposition(|header| header.name == dead_letter_header::TOPIC);
    letter[..first.unwrap_or(letter.len())].iter().copied().cloned().collect()
}
