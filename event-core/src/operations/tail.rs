//! Looks at records as they lie on the broker.

use std::ops::ControlFlow;

use super::resilient_reader::{Read, ResilientReader};
use super::{OffsetSpec, OperationError, partitions_of, resolve};
use crate::broker::{Broker, BrokerError, ReadRequest, Reader};
use crate::delivery::{RecordRef, Shutdown, TopicPartition};
use crate::event::{Envelope, EnvelopeError, TopicName};
use crate::extract::text_of_key;

/// Which records to look at. What is not given lets all through; a record that cannot be read has
/// neither event nor user.
#[derive(Clone, Debug, Default)]
pub struct TailFilter {
    /// Those of this event.
    pub event: Option<String>,
    /// Those with this key, as it stands or in the quotes of JSON.
    pub key: Option<String>,
    /// Those that this user caused.
    pub user_id: Option<String>,
}

/// A record, decoded as far as it can be.
#[derive(Debug)]
pub struct TailedRecord<'a> {
    /// Its partition.
    pub partition: &'a TopicPartition,
    /// The record.
    pub record: RecordRef<'a>,
    /// What is in it.
    pub event: TailedEvent<'a>,
}

/// What is in a record.
#[derive(Debug)]
pub enum TailedEvent<'a> {
    /// An event.
    Event(Box<Envelope<'a>>),
    /// Nothing: it has no value.
    Tombstone,
    /// What cannot be read.
    Unreadable(EnvelopeError),
}

impl TailFilter {
    fn matches(&self, tailed: &TailedRecord<'_>) -> bool {
        let key = tailed.record.key;
        let is_event = |wanted: &String| match &tailed.event {
            TailedEvent::Event(envelope) => envelope.event_type() == wanted,
            TailedEvent::Tombstone => wanted == "tombstone",
            TailedEvent::Unreadable(_) => false,
        };
        let is_user = |wanted: &String| match &tailed.event {
            TailedEvent::Event(envelope) => {
                envelope.user_id().ok().flatten().is_some_and(|user| user.to_string() == *wanted)
            }
            _ => false,
        };
        // As a handler reads it, or byte for byte.
        let is_key = |wanted: &String| {
            let as_text = |key| text_of_key(key).is_ok_and(|key| key == *wanted);
            key.is_some_and(|key| key == wanted.as_bytes() || as_text(key))
        };
        self.key.as_ref().is_none_or(is_key)
            && self.event.as_ref().is_none_or(is_event)
            && self.user_id.as_ref().is_none_or(is_user)
    }
}

/// Shows the records of `topics` from `from` on to `show`, until it breaks, `stop` is requested or,
/// unless it is to `follow`, what is there now was shown. A transient error is shown
/// too, and it goes on. It returns how many records were looked at.
///
/// # Errors
///
/// [`OperationError::Broker`].
pub async fn tail<B: Broker>(
    broker: &B,
    topics: &[TopicName],
    from: OffsetSpec,
    follow: bool,
    filter: &TailFilter,
    stop: &Shutdown,
    show: impl FnMut(Result<&TailedRecord<'_>, &BrokerError>) -> ControlFlow<()>,
) -> Result<u64, OperationError> {
    let partitions = partitions_of(broker, topics).await?;
    let from = resolve(broker, &partitions, from).await?;
    let partitions = partitions.into_iter().zip(from).map(|(p, from)| (p, from, None)).collect();
    show_all(broker.read(ReadRequest { partitions, follow })?, filter, stop, show).await
}

async fn show_all(
    reader: impl Reader,
    filter: &TailFilter,
    stop: &Shutdown,
    mut show: impl FnMut(Result<&TailedRecord<'_>, &BrokerError>) -> ControlFlow<()>,
) -> Result<u64, OperationError> {
    let mut reader = ResilientReader::new(reader);
    let mut looked_at = 0;
    loop {
        let read = tokio::select! {
            biased;
            () = stop.requested() => return Ok(looked_at),
            read = reader.next() => read?,
        };
        let batch = match read {
            Read::Records(batch) => batch,
            Read::Error(error) if show(Err(&error)).is_break() => return Ok(looked_at),
            Read::Error(_) => continue,
            Read::End => return Ok(looked_at),
        };
        for record in batch.iter() {
            looked_at += 1;
            let event = match record.value.map(Envelope::read) {
                None => TailedEvent::Tombstone,
                Some(Ok(envelope)) => TailedEvent::Event(Box::new(envelope)),
                Some(Err(error)) => TailedEvent::Unreadable(error),
            };
            let tailed = TailedRecord { partition: batch.partition(), record, event };
            if filter.matches(&tailed) && show(Ok(&tailed)).is_break() {
                return Ok(looked_at);
            }
        }
    }
}

#[cfg(test)]
mod tests;
