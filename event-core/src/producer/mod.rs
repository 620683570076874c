//! Sends events by their contracts.

mod argument;
mod pipeline;
mod sending;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::broker::{self, Acknowledged, BrokerError, OutgoingRecord};
use crate::delivery::Cause;
use crate::event::{Contract, NameError, UserId};
use crate::outcome::{RecordError, record_of};

pub use argument::{AnyEvent, EventList, Lists, Producer};
pub use pipeline::Pipeline;
pub use sending::{Sending, SendingAll};

use sending::Acknowledgement;

/// Why an event was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The event cannot be written as JSON.
    #[error("event {name} cannot be written as JSON")]
    Encode {
        /// The event's name.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The topic's name is not well formed.
    #[error(transparent)]
    Topic(#[from] NameError),
    /// The broker did not acknowledge it. After [`BrokerError::TimedOut`] it may have arrived all
    /// the same.
    #[error("{what} was not acknowledged on topic `{topic}`")]
    NotAcknowledged {
        /// The event with its name, or `the record` when it was sent raw.
        what: String,
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        source: BrokerError,
    },
}

/// Some events of a [`EventProducer::send_all`] were not acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("{} of {total} event{} not sent{}", .failed.len(), if *total == 1 { " was" } else { "s were" }, .failed.first().map(|(index, error)| format!(", the first of them number {}: {error}", index + 1)).unwrap_or_default())]
pub struct SendAllError {
    /// How many events there were.
    pub total: usize,
    /// The index of each event that failed, and why, in order; never empty.
    pub failed: Vec<(usize, SendError)>,
}

/// Sends events to the topics of their contracts. Cloning it shares the connection.
///
/// An event is acknowledged by all in-sync replicas, its key is the contract's key field, and
/// events sent one after the other stay in that order on their partition.
#[derive(Clone)]
pub struct EventProducer {
    port: Arc<dyn broker::Producer>,
    cause: Cause,
}

impl EventProducer {
    /// A producer on a broker's port.
    #[must_use]
    pub fn new(port: Arc<dyn broker::Producer>) -> Self {
        EventProducer { port, cause: Cause::default() }
    }

    /// The same producer, but every event says that `user_id` caused it.
    #[must_use]
    pub fn as_user(&self, user_id: impl Into<UserId>) -> Self {
        self.because_of(self.cause.clone().with_user_id(user_id))
    }

    /// The same producer, but every event says that `cause` led to it.
    #[must_use]
    pub fn because_of(&self, cause: Cause) -> Self {
        EventProducer { port: Arc::clone(&self.port), cause }
    }

    /// Sends `event` and waits for the acknowledgement.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the broker's reason.
    pub async fn send<E: Contract + Serialize>(
        &self,
        event: &E,
    ) -> Result<Acknowledged, SendError> {
        Sending::new(self, event).await
    }

    /// Sends `events` in order without waiting in between, then waits for all acknowledgements.
    ///
    /// # Errors
    ///
    /// [`SendAllError`] naming each event that failed; the others were acknowledged.
    pub async fn send_all<'e, E: Contract + Serialize + 'e>(
        &self,
        events: impl IntoIterator<Item = &'e E>,
    ) -> Result<Vec<Acknowledged>, SendAllError> {
        SendingAll::new(self, events).await
    }

    /// Sends many events in order, of which `at_once` may be under way at a time.
    ///
    /// ```
    /// # use std::num::NonZeroUsize;
    /// # use event_core::{Event, EventProducer};
    /// # #[derive(Event, serde::Serialize)]
    /// # #[event(topic = "role_events", name = "COUNTED")]
    /// # struct Counted { number: u64 }
    /// # async fn send(producer: EventProducer) -> event_core::Result {
    /// let mut pipeline = producer.pipeline(NonZeroUsize::new(10_000).unwrap());
    /// for number in 0..1_000_000 {
    ///     pipeline.send(&Counted { number }).await?;
    /// }
    /// pipeline.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pipeline(&self, at_once: NonZeroUsize) -> Pipeline<'_> {
        Pipeline::new(self, at_once)
    }

    /// Sends a value that is already written, for events without a contract.
    ///
    /// # Errors
    ///
    /// [`SendError::NotAcknowledged`].
    pub async fn send_raw(&self, record: OutgoingRecord) -> Result<Acknowledged, SendError> {
        let topic = record.topic.to_string();
        let sent = self.port.send(record).await;
        sent.map_err(|source| SendError::NotAcknowledged {
            what: "the record".into(),
            topic,
            source,
        })
    }

    /// Waits until everything sent so far is acknowledged or failed. A service that ends without it
    /// loses what is still on the way.
    ///
    /// # Errors
    ///
    /// [`BrokerError::TimedOut`] when something is still open after `timeout`.
    pub async fn flush(&self, timeout: Duration) -> Result<(), BrokerError> {
        self.port.flush(timeout).await
    }

    fn hand_over<E: Contract + Serialize>(&self, event: &E) -> Result<Acknowledgement, SendError> {
        let record = record_of(event, &self.cause).map_err(|error| match error {
            RecordError::Json { name, source } => SendError::Encode { name: name.into(), source },
            RecordError::Topic(error) => SendError::Topic(error),
        })?;
        Ok(self.port.send(record))
    }
}

impl std::fmt::Debug for EventProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventProducer").field("cause", &self.cause).finish_non_exhaustive()
    }
}
