//! Writes what a record becomes elsewhere, and waits until it is there.

use std::time::Duration;

use super::{NotSettled, Settled, Settler};
use crate::broker::{BrokerError, OutgoingRecord};
use crate::delivery::RecordRef;
use crate::event::{Envelope, TopicName, excerpt};
use crate::observe::{BlockedWrite, Observation};
use crate::outcome::Backoff;
use crate::processor::dead_letter::DeadLetter;
use crate::processor::engine::Source;
use crate::processor::retry_headers::Origin;

/// How long a write that was refused waits at most for the next try.
const MAX_PACE: Duration = Duration::from_secs(30);

/// What becomes of a record that its topic does not take for its size.
pub(super) enum TooLarge {
    /// It is smaller now, and sent again.
    Shrunk,
    /// It is not written.
    GiveUp,
    /// Nothing can be left out, and it waits for a person.
    Wait,
}

/// Whose record is written elsewhere.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) record: RecordRef<'a>,
    pub(super) origin: &'a Origin,
    pub(super) handler: Option<&'a str>,
}

impl Settler {
    pub(super) async fn dead_letter(&self, letter: DeadLetter<'_>) -> Settled {
        // Also when its own headers do not say where it was first.
        let name = match &self.source {
            Source::Origin(routes) => routes.dead_letters(&self.partition.topic),
            Source::Derived { origin, routes, .. } => routes.dead_letters(origin),
        };
        let origin = letter.origin;
        let topic = self.named(origin, name).await?;
        let outgoing = letter.to_record(topic, &self.engine.identity);
        let shrink = |outgoing: &mut OutgoingRecord| match letter.shrink(outgoing) {
            true => TooLarge::Shrunk,
            false => TooLarge::Wait,
        };
        let write = Write { record: letter.record, origin, handler: letter.handler };
        self.write(outgoing, write, shrink).await?;
        let envelope = letter.record.value.and_then(|value| Envelope::read(value).ok());
        let event = envelope.as_ref().map(|envelope| excerpt(envelope.event_type(), 64));
        self.engine.observers.notify(&Observation::DeadLettered {
            partition: &origin.partition,
            offset: origin.offset,
            event: event.as_deref(),
            handler: letter.handler,
            reason: letter.reason,
            error: &letter.error,
        });
        Ok(())
    }

    /// The name of a topic of ours. Start-up refuses a topic whose derived ones cannot be named.
    pub(super) async fn named<E: std::fmt::Display>(
        &self,
        origin: &Origin,
        name: Result<TopicName, E>,
    ) -> Settled<TopicName> {
        match name {
            Ok(topic) => Ok(topic),
            Err(error) => {
                let _blocked = self.blocked(origin, "", &BrokerError::Settings(error.to_string()));
                self.stop_requested().await;
                Err(NotSettled::Stopped)
            }
        }
    }

    /// Writes a record and waits for the acknowledgement, however long it takes: what it stands for
    /// is not settled before. What becomes of one that is too large, `too_large` decides; false when
    /// it is given up.
    pub(super) async fn write(
        &self,
        outgoing: OutgoingRecord,
        Write { record, origin, handler }: Write<'_>,
        too_large: impl Fn(&mut OutgoingRecord) -> TooLarge,
    ) -> Settled<bool> {
        let slot = self.slot();
        self.engine.watch.begin_write(&slot, record.offset, &outgoing.topic, handler);
        let written = self.write_until_there(outgoing, origin, too_large).await;
        slot.end();
        self.give_back(slot);
        written
    }

    async fn write_until_there(
        &self,
        mut outgoing: OutgoingRecord,
        origin: &Origin,
        too_large: impl Fn(&mut OutgoingRecord) -> TooLarge,
    ) -> Settled<bool> {
        let engine = &*self.engine;
        let mut tries = 1;
        // Reported for as long as it is kept: until the record is there, or is given up.
        let mut blocked = None;
        loop {
            // Not cut short by a stop: what is on its way may arrive, and would be written twice.
            match engine.producer.send(outgoing.clone()).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_fatal() => return Err(NotSettled::Producer(error)),
                Err(error) => {
                    if matches!(error, BrokerError::TooLarge { .. }) {
                        match too_large(&mut outgoing) {
                            TooLarge::Shrunk => continue,
                            TooLarge::GiveUp => return Ok(false),
                            TooLarge::Wait => {}
                        }
                    }
                    let again = self.blocked(origin, outgoing.topic.as_str(), &error);
                    drop(blocked.replace(again));
                }
            }
            // Soon after the topic is there again, although the pace of attempts may be a day.
            let Backoff { first, longest, jitter } = engine.policy.backoff;
            let (first, longest) = (first.min(MAX_PACE), longest.min(MAX_PACE));
            self.pause(Backoff { first, longest, jitter }.delay(tries)).await?;
            tries += 1;
        }
    }

    fn blocked(&self, origin: &Origin, topic: &str, error: &BrokerError) -> BlockedWrite {
        let (engine, partition) = (&*self.engine, &self.partition);
        let blocked = engine.health.block(&engine.identity.group, partition, topic, error);
        engine.observers.notify(&Observation::DeadLetterFailed {
            partition,
            offset: origin.offset,
            dead_letter_topic: topic,
            error,
        });
        blocked
    }
}
