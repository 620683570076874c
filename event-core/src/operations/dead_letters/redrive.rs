//! Sends dead letters back to the handler that failed, or gives them up.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::original::Originals;
use super::{DeadLetter, Resolution, resolution};
use crate::broker::{Broker, BrokerError, OutgoingRecord, Producer};
use crate::delivery::{Position, Shutdown};
use crate::event::{EnvelopeError, TopicName, excerpt};
use crate::handler::HandlerRegistration;
use crate::operations::dry_run::route_of;
use crate::operations::rate::Pace;
use crate::operations::{DEADLINE, OperationError, OwnedRecord, Rate, redrive_topic};
use crate::router::EventRouter;

/// The headers that a redriven record gets behind its own, all with UTF-8 text as values.
///
/// It is sent to `<topic>_redrive`, which the service reads beside the topic itself; key, value and
/// the other headers are the original's.
///
/// | header | |
/// |---|---|
/// | `retry.topic` | the topic it came from |
/// | `retry.partition` | its partition there |
/// | `retry.offset` | its offset there |
/// | `retry.timestamp` | its timestamp there, in milliseconds since 1970 |
/// | `retry.group` | the consumer group that gave it up; another leaves it alone |
/// | `retry.handler` | the handler that failed, which alone gets it; when none was found then, because the record could not be read, the one that takes it now |
/// | `retry.attempts` | how often it was tried so far |
/// | `retry.first_failure` | when the first attempt failed (RFC 3339); absent when it is not known |
/// | `retry.redrive_id` | the same each time this letter is redriven |
pub mod retry_header {
    /// The topic it came from.
    pub const TOPIC: &str = "retry.topic";
    /// Its partition there.
    pub const PARTITION: &str = "retry.partition";
    /// Its offset there.
    pub const OFFSET: &str = "retry.offset";
    /// Its timestamp there, in milliseconds since 1970.
    pub const TIMESTAMP: &str = "retry.timestamp";
    /// The consumer group that gave it up.
    pub const GROUP: &str = "retry.group";
    /// The handler that gets it.
    pub const HANDLER: &str = "retry.handler";
    /// How often it was tried so far.
    pub const ATTEMPTS: &str = "retry.attempts";
    /// When the first attempt failed (RFC 3339).
    pub const FIRST_FAILURE: &str = "retry.first_failure";
    /// The same each time a letter is redriven.
    pub const REDRIVE_ID: &str = "retry.redrive_id";

    /// These, and what a retry topic adds.
    pub(in crate::operations) const ALL: [&str; 11] = [
        TOPIC,
        PARTITION,
        OFFSET,
        TIMESTAMP,
        GROUP,
        HANDLER,
        ATTEMPTS,
        FIRST_FAILURE,
        REDRIVE_ID,
        "retry.due",
        "retry.error",
    ];
}

/// What became of letters that were to be resolved.
#[derive(Debug, Default)]
pub struct Resolved {
    /// How many were.
    pub done: usize,
    /// Those that were left as they are, and why.
    pub left: Vec<(DeadLetter, Left)>,
    /// Whether it was told to end before all had their turn.
    pub stopped: bool,
}

/// Why a letter was left as it is.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Left {
    /// The build at hand has no such handler, so that nobody would handle the record.
    #[error("no handler of its topic has the id {0} any more")]
    NoHandler(String),
    /// No handler was found when the record was dead-lettered, and none takes it now.
    #[error("no handler takes it")]
    NobodyTakesIt,
    /// The record could not be read when it was dead-lettered, and cannot be now.
    #[error("{0}")]
    Unreadable(EnvelopeError),
    /// The dead-letter topic did not take all of it, and the origin no longer holds it.
    #[error("part of the record was left out of the letter, and {0} no longer holds it")]
    LeftOut(String),
    /// The redrive topic does not take so large a record.
    #[error("{0}")]
    TooLarge(String),
}

/// One letter that had its turn.
#[derive(Debug)]
pub struct Step<'a> {
    /// The letter.
    pub letter: &'a DeadLetter,
    /// Why it was left as it is, if it was.
    pub left: Option<&'a Left>,
    /// How many had their turn, with this one.
    pub done: usize,
    /// Of how many.
    pub of: usize,
}

/// Resolves dead letters one after the other. It can be ended between any two, and begun again:
/// what is resolved is no longer listed.
pub struct Resolver<'a, B> {
    broker: &'a B,
    producer: Arc<dyn Producer>,
    rate: Option<Rate>,
    stop: Shutdown,
}

impl<'a, B: Broker> Resolver<'a, B> {
    /// Resolves at a rate, until `stop` is requested.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the broker makes no producer.
    pub fn new(broker: &'a B, rate: Option<Rate>, stop: Shutdown) -> Result<Self, BrokerError> {
        Ok(Resolver { broker, producer: broker.producer()?, rate, stop })
    }

    /// Sends the originals of `letters` to their redrive topics ([`retry_header`]), each with the
    /// record of resolution behind it. A crash between the two leaves the letter open; redriven again
    /// it has the same redrive id. A letter that none of the handlers of `router` would get is left as
    /// it is.
    ///
    /// # Errors
    ///
    /// [`OperationError::NoRedriveTopic`] before anything is sent, otherwise
    /// [`OperationError::Broker`].
    pub async fn redrive(
        &self,
        letters: &[DeadLetter],
        router: &EventRouter,
        known: &[&'static HandlerRegistration],
        mut progress: impl FnMut(&Step<'_>),
    ) -> Result<Resolved, OperationError> {
        check_redrive_topics(self.broker, letters).await?;
        let mut resolved = Resolved::default();
        let mut originals = Originals::read(self.broker, letters)?;
        let mut pace = Pace::new(self.rate);
        let mut done = 0;
        while let Some((letter, original)) = originals.next().await? {
            if !pace.turn(&self.stop).await {
                resolved.stopped = true;
                break;
            }
            let left = match (addressee(router, known, letter, original.as_ref()), original) {
                (Ok(handler), Some(original)) => {
                    self.redrive_one(letter, handler, original).await?
                }
                (Ok(_), None) => Some(Left::LeftOut(letter.origin.to_string())),
                (Err(left), _) => Some(left),
            };
            done += 1;
            progress(&Step { letter, left: left.as_ref(), done, of: letters.len() });
            match left {
                Some(left) => resolved.left.push((letter.clone(), left)),
                None => resolved.done += 1,
            }
        }
        Ok(resolved)
    }

    /// Gives `letters` up for good.
    ///
    /// # Errors
    ///
    /// [`OperationError::Broker`].
    pub async fn give_up(
        &self,
        letters: &[DeadLetter],
        mut progress: impl FnMut(&Step<'_>),
    ) -> Result<Resolved, OperationError> {
        let mut resolved = Resolved::default();
        let mut pace = Pace::new(self.rate);
        for letter in letters {
            if !pace.turn(&self.stop).await {
                resolved.stopped = true;
                break;
            }
            self.resolve(letter, Resolution::Dropped, None).await?;
            resolved.done += 1;
            progress(&Step { letter, left: None, done: resolved.done, of: letters.len() });
        }
        Ok(resolved)
    }

    async fn redrive_one(
        &self,
        letter: &DeadLetter,
        handler: String,
        original: OwnedRecord,
    ) -> Result<Option<Left>, OperationError> {
        let topic = redrive_topic(&letter.origin.partition.topic)?;
        match self.producer.send(redriven(letter, handler, original, topic)).await {
            Ok(_) => {}
            Err(error @ BrokerError::TooLarge { .. }) => {
                return Ok(Some(Left::TooLarge(error.to_string())));
            }
            Err(error) => return Err(error.into()),
        }
        let redrive_id = letter.next_redrive_id();
        self.resolve(letter, Resolution::Redriven, Some(&redrive_id)).await?;
        Ok(None)
    }

    async fn resolve(
        &self,
        letter: &DeadLetter,
        resolution: Resolution,
        redrive_id: Option<&str>,
    ) -> Result<(), OperationError> {
        let now = Timestamp::now();
        let record = |place: &Position| {
            resolution::to_record(place, &letter.id, resolution, redrive_id, now)
        };
        // The first last: as long as it is open, so is the letter, under the id that it had.
        let places: Vec<_> = letter.places().collect();
        for place in places.into_iter().rev() {
            self.producer.send(record(place)).await?;
        }
        Ok(())
    }
}

/// Whether there is a redrive topic for each of `letters`.
///
/// # Errors
///
/// [`OperationError::NoRedriveTopic`] and [`OperationError::Broker`].
pub async fn check_redrive_topics<B: Broker>(
    broker: &B,
    letters: &[DeadLetter],
) -> Result<(), OperationError> {
    let origins: BTreeSet<_> = letters.iter().map(|l| &l.origin.partition.topic).collect();
    let topics = origins.into_iter().map(redrive_topic).collect::<Result<Vec<_>, _>>()?;
    if topics.is_empty() {
        return Ok(());
    }
    for status in broker.topics(&topics, DEADLINE).await? {
        match status.partitions {
            Ok(_) => {}
            Err(BrokerError::UnknownTopic(_)) => {
                return Err(OperationError::NoRedriveTopic(status.topic));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Who is to get the original of `letter`, or why nobody can.
pub(super) fn addressee(
    router: &EventRouter,
    known: &[&'static HandlerRegistration],
    letter: &DeadLetter,
    original: Option<&OwnedRecord>,
) -> Result<String, Left> {
    let topic = &letter.origin.partition.topic;
    if let Some(id) = &letter.handler
        && !known.iter().any(|handler| *topic == handler.topic && handler.id() == *id)
    {
        return Err(Left::NoHandler(excerpt(id, 64)));
    }
    let original = original.ok_or_else(|| Left::LeftOut(letter.origin.to_string()))?;
    match &letter.handler {
        Some(id) => Ok(id.clone()),
        None => route_of(router, topic, original.value.as_deref())
            .map_err(Left::Unreadable)?
            .ok_or(Left::NobodyTakesIt),
    }
}

fn redriven(
    letter: &DeadLetter,
    handler: String,
    original: OwnedRecord,
    topic: TopicName,
) -> OutgoingRecord {
    let mut headers = original.headers;
    let mut put = |name: &'static str, value: String| {
        headers.push(Bytes::from_static(name.as_bytes()), value);
    };
    let origin = &letter.origin;
    put(retry_header::TOPIC, origin.partition.topic.to_string());
    put(retry_header::PARTITION, origin.partition.partition.to_string());
    put(retry_header::OFFSET, origin.offset.to_string());
    put(retry_header::TIMESTAMP, origin.timestamp_ms.to_string());
    put(retry_header::GROUP, letter.group.clone());
    put(retry_header::HANDLER, handler);
    put(retry_header::ATTEMPTS, letter.attempts.to_string());
    if let Some(first_failure) = letter.first_failure {
        put(retry_header::FIRST_FAILURE, first_failure.to_string());
    }
    put(retry_header::REDRIVE_ID, letter.next_redrive_id());
    OutgoingRecord {
        topic,
        partition: None,
        key: original.key,
        value: original.value,
        headers,
        timestamp_ms: None,
    }
}
