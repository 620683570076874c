//! Sends dead letters back to the handler that failed, or gives them up.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::original::Originals;
use super::redrive_target::{RedriveTarget, RedriveTargets, partitions_that_exist};
use super::{DeadLetter, Resolution, resolution};
use crate::broker::{Acknowledged, Broker, BrokerError, OutgoingRecord, PortFuture, Producer};
use crate::delivery::Shutdown;
use crate::event::{EnvelopeError, GroupName, NameError, TopicName};
use crate::operations::rate::Pace;
use crate::operations::{OperationError, OwnedRecord, Rate, TIMEOUT};
use crate::processor::retry_header;

// How many letters are on their way together: a broker acknowledges a hundred as fast as one.
const MAX_AT_ONCE: usize = 100;

// A letter's original on its way, or why it is not.
type Sending = Result<PortFuture<'static, Result<Acknowledged, BrokerError>>, RedriveSkipReason>;

/// What became of letters that were to be resolved.
#[derive(Debug, Default)]
pub struct Resolved {
    /// How many were.
    pub done: usize,
    /// Those that were left as they are, and why.
    pub skipped: Vec<(DeadLetter, RedriveSkipReason)>,
    /// Whether it was asked to stop before all had their turn.
    pub stopped: bool,
}

/// Why a letter was left as it is.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedriveSkipReason {
    /// The build at hand has no such handler, so that nobody would handle the record.
    #[error("no handler of its topic has the id {0} any more")]
    NoHandler(String),
    /// A group gave it up that is not known to be one of the service's, so that the record might be
    /// passed over by all.
    #[error(
        "it was given up by group {0}, which is not known to be one that this service runs in; if it is, say so with EVENT_GROUP={0}"
    )]
    OtherGroup(String),
    /// Another service gave it up.
    #[error("it was given up by the service {0}")]
    OtherService(String),
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
    /// The name of its redrive topic would be over the limit.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// One letter that had its turn.
#[derive(Debug)]
pub struct Step<'a> {
    /// The letter.
    pub letter: &'a DeadLetter,
    /// Why it was left as it is, if it was.
    pub skipped: Option<&'a RedriveSkipReason>,
    /// How many had their turn, with this one.
    pub done: usize,
    /// Of how many.
    pub of: usize,
}

/// Resolves dead letters: a hundred at once, or one after the other at a rate. It can be ended in
/// between, and begun again: what is resolved is no longer listed.
pub struct Resolver<'a, B> {
    broker: &'a B,
    producer: Arc<dyn Producer>,
    rate: Option<Rate>,
    limit: usize,
    stop: Shutdown,
}

impl<'a, B: Broker> Resolver<'a, B> {
    /// Resolves at a rate, until `stop` is requested.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the broker makes no producer.
    pub fn new(broker: &'a B, rate: Option<Rate>, stop: Shutdown) -> Result<Self, BrokerError> {
        Ok(Resolver { broker, producer: broker.producer()?, rate, limit: usize::MAX, stop })
    }

    /// Redrives at most so many; those that are left as they are do not count.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Resolver { limit, ..self }
    }

    /// Sends the originals of `letters` to their redrive topics, each with the record of resolution
    /// behind it. Key, value and headers are the original's; behind these are those of
    /// [`retry_header`] but `retry.due` and `retry.error`. A crash between the two leaves the letter open; redriven again
    /// it has the same redrive id. A letter that none of `targets` would get is left as it is.
    ///
    /// # Errors
    ///
    /// [`OperationError::NoRedriveTopic`] before anything is sent, otherwise
    /// [`OperationError::Broker`].
    pub async fn redrive(
        &self,
        letters: &[DeadLetter],
        targets: &RedriveTargets,
        mut progress: impl FnMut(&Step<'_>),
    ) -> Result<Resolved, OperationError> {
        check_redrive_topics(self.broker, letters, targets).await?;
        let mut resolved = Resolved::default();
        let mut originals = Originals::read(self.broker, letters)?;
        let mut pace = Pace::new(self.rate);
        let mut ended = None;
        while ended.is_none() {
            let mut sending = Vec::<(_, Sending)>::new();
            while sending.len() < self.at_once() && ended.is_none() {
                let under_way = sending.iter().filter(|(_, sending)| sending.is_ok()).count();
                if resolved.done + under_way >= self.limit {
                    // One that its topic does not take makes room for the next.
                    ended = (under_way == 0).then_some(Ok(()));
                    break;
                }
                match originals.next().await {
                    Ok(Some((letter, original))) if pace.turn(&self.stop).await => {
                        sending.push((letter, self.send(letter, targets, original)));
                    }
                    Ok(Some(_)) => (resolved.stopped, ended) = (true, Some(Ok(()))),
                    Ok(None) => ended = Some(Ok(())),
                    // What is on its way is resolved before.
                    Err(error) => ended = Some(Err(error)),
                }
            }
            for (letter, left) in self.acknowledged(sending).await? {
                resolved.step(letter, left, letters.len(), &mut progress);
            }
        }
        ended.transpose()?;
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
        for some in letters.chunks(self.at_once()) {
            if !pace.turn(&self.stop).await {
                resolved.stopped = true;
                break;
            }
            self.resolve(some, Resolution::Dropped).await?;
            for letter in some {
                resolved.step(letter, None, letters.len(), &mut progress);
            }
        }
        Ok(resolved)
    }

    // At a rate one after the other.
    fn at_once(&self) -> usize {
        if self.rate.is_some() { 1 } else { MAX_AT_ONCE }
    }

    fn send(
        &self,
        letter: &DeadLetter,
        targets: &RedriveTargets,
        original: Option<OwnedRecord>,
    ) -> Sending {
        let target = targets.of(letter, original.as_ref())?;
        let original =
            original.ok_or_else(|| RedriveSkipReason::LeftOut(letter.origin.to_string()))?;
        Ok(self.producer.send(redriven(letter, &target, original)?))
    }

    // Waits for what is on its way, and resolves what arrived, also when something else failed.
    async fn acknowledged<'l>(
        &self,
        sending: Vec<(&'l DeadLetter, Sending)>,
    ) -> Result<Vec<(&'l DeadLetter, Option<RedriveSkipReason>)>, OperationError> {
        let (mut ended, mut arrived, mut failure) = (Vec::new(), Vec::new(), None);
        for (letter, sending) in sending {
            let left = match sending {
                Err(left) => Some(left),
                Ok(sending) => match sending.await {
                    Ok(_) => None,
                    Err(error @ BrokerError::TooLarge { .. }) => {
                        Some(RedriveSkipReason::TooLarge(error.to_string()))
                    }
                    Err(error) => {
                        failure.get_or_insert(error);
                        continue;
                    }
                },
            };
            if left.is_none() {
                arrived.push(letter);
            }
            ended.push((letter, left));
        }
        self.resolve(arrived, Resolution::Redriven).await?;
        failure.map_or(Ok(ended), |failure| Err(failure.into()))
    }

    async fn resolve<'l>(
        &self,
        letters: impl IntoIterator<Item = &'l DeadLetter>,
        resolution: Resolution,
    ) -> Result<(), OperationError> {
        let now = Timestamp::now();
        let mut sending = Vec::new();
        for letter in letters {
            // The first last: as long as it is open, so is the letter, under the id that it had.
            let places: Vec<_> = letter.places().collect();
            for place in places.into_iter().rev() {
                let record = resolution::to_record(place, letter, resolution, now);
                sending.push(self.producer.send(record));
            }
        }
        let mut resolved = Ok(());
        for sending in sending {
            resolved = resolved.and(sending.await.map(drop));
        }
        Ok(resolved?)
    }
}

impl Resolved {
    fn step(
        &mut self,
        letter: &DeadLetter,
        skipped: Option<RedriveSkipReason>,
        of: usize,
        progress: &mut impl FnMut(&Step<'_>),
    ) {
        let done = self.done + self.skipped.len() + 1;
        progress(&Step { letter, skipped: skipped.as_ref(), done, of });
        match skipped {
            Some(reason) => self.skipped.push((letter.clone(), reason)),
            None => self.done += 1,
        }
    }
}

/// Whether there is a redrive topic for each of `letters` that one of `targets` could get.
///
/// # Errors
///
/// [`OperationError::NoRedriveTopic`] and [`OperationError::Broker`].
pub async fn check_redrive_topics<B: Broker>(
    broker: &B,
    letters: &[DeadLetter],
    targets: &RedriveTargets,
) -> Result<(), OperationError> {
    let letters = letters.iter().filter(|letter| targets.may_have(letter));
    let origins: BTreeSet<_> = letters.map(|letter| &letter.origin.partition.topic).collect();
    // One whose name would be too long is reported for each of its letters.
    let topics: Vec<_> = origins.into_iter().filter_map(|topic| topic.redrive().ok()).collect();
    if topics.is_empty() {
        return Ok(());
    }
    for status in broker.topics(&topics, TIMEOUT).await? {
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

/// Why nothing shows that a group reads a redrive topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unread {
    /// No instance of the group runs.
    NoInstance,
    /// Instances run, and none has a partition of the topic.
    NotAssigned,
    /// Who runs is not known, and the group has committed no offset of the topic: it never read it, or its
    /// offsets have expired.
    NeverCommitted,
    /// The broker does not say what the group has committed.
    NotTold(BrokerError),
}

/// The redrive topics of `letters` of which nothing shows that a group which may get one reads it, each
/// with that group.
///
/// # Errors
///
/// [`OperationError::Broker`] for what is not about one group.
pub async fn unread_redrive_topics<B: Broker>(
    broker: &B,
    letters: &[DeadLetter],
    targets: &RedriveTargets,
) -> Result<Vec<(TopicName, GroupName, Unread)>, OperationError> {
    let letters = letters.iter().filter(|letter| targets.may_have(letter));
    let readers: BTreeSet<_> = letters
        .filter_map(|letter| Some((letter.origin.partition.topic.redrive().ok()?, letter)))
        .flat_map(|(topic, letter)| {
            targets.groups_of(letter).into_iter().map(move |group| (topic.clone(), group))
        })
        .collect();
    let mut unread = Vec::new();
    for (topic, group) in readers {
        let why = match broker.members(&group, TIMEOUT).await {
            Ok(Some(members)) => {
                let mut assigned = members.iter().flat_map(|member| &member.partitions);
                match assigned.any(|partition| partition.topic == topic) {
                    true => None,
                    false if members.is_empty() => Some(Unread::NoInstance),
                    false => Some(Unread::NotAssigned),
                }
            }
            // Neither is what the group has committed.
            Err(error @ BrokerError::Unauthorised(_)) => Some(Unread::NotTold(error)),
            Ok(None) | Err(_) => {
                let topics = std::slice::from_ref(&topic);
                let partitions = partitions_that_exist(broker, topics).await?;
                let committed = broker.committed(&group, &partitions, TIMEOUT).await;
                match committed {
                    Ok(all) if all.iter().any(|one| one.next.is_some()) => None,
                    Ok(_) => Some(Unread::NeverCommitted),
                    Err(error) => Some(Unread::NotTold(error)),
                }
            }
        };
        unread.extend(why.map(|why| (topic, group, why)));
    }
    Ok(unread)
}

fn redriven(
    letter: &DeadLetter,
    target: &RedriveTarget,
    original: OwnedRecord,
) -> Result<OutgoingRecord, NameError> {
    let mut headers = original.headers;
    let mut put = |name: &'static str, value: String| {
        headers.push(Bytes::from_static(name.as_bytes()), value);
    };
    let origin = &letter.origin;
    put(retry_header::TOPIC, origin.partition.topic.to_string());
    put(retry_header::PARTITION, origin.partition.partition.to_string());
    put(retry_header::OFFSET, origin.offset.to_string());
    put(retry_header::TIMESTAMP, origin.timestamp_ms.to_string());
    put(retry_header::GROUP, target.group.to_string());
    put(retry_header::HANDLER, target.handler.id());
    put(retry_header::ATTEMPTS, letter.attempts.to_string());
    if let Some(first_failure) = letter.first_failure {
        put(retry_header::FIRST_FAILURE, first_failure.to_string());
    }
    put(retry_header::REDRIVE_ID, letter.next_redrive_id());
    Ok(OutgoingRecord {
        topic: origin.partition.topic.redrive()?,
        partition: None,
        key: original.key,
        value: original.value,
        headers,
        timestamp_ms: None,
    })
}
