//! A record on its way to the loop of its handler.

use std::fmt;
use std::sync::Arc;

use super::{Delivery, LazyEnvelope, Origin, RecordBatch, RecordRef, Shutdown};
use crate::event::{EnvelopeRules, NameAt, Scanned};
use crate::state::StateMap;

/// A batch together with what its records are delivered with.
pub(crate) struct OpenBatch {
    pub(crate) records: RecordBatch,
    pub(crate) context: Arc<DeliveryContext>,
}

/// What all records of a lane are delivered with.
pub(crate) struct DeliveryContext {
    pub(crate) state: Arc<StateMap>,
    pub(crate) shutdown: Shutdown,
    pub(crate) rules: EnvelopeRules,
    /// The ids of the handlers, by the numbers of their routes.
    pub(crate) handlers: Arc<[Arc<str>]>,
}

/// One record in one attempt at handling it. It owns its batch, so that the handler may go on as a task.
pub(crate) struct NextRecord {
    pub(crate) batch: Arc<OpenBatch>,
    pub(crate) index: usize,
    /// The number of the handler's route.
    pub(crate) handler: usize,
    /// Which attempt this is, from 1 on.
    pub(crate) attempt: u32,
    /// The number of the last attempt, if all fail.
    pub(crate) attempts: u32,
    /// Where a record of a retry or redrive topic was first.
    pub(crate) origin: Option<Arc<Origin>>,
    /// Where the event's name was found.
    pub(crate) name: Option<NameAt>,
}

/// What a handler's loop gets: a record of its own, or one delivery for one call.
pub enum Handed<'a> {
    #[doc(hidden)]
    Next(Next),
    #[doc(hidden)]
    Once(&'a Delivery<'a>),
}

/// Hides what a lane hands over.
#[doc(hidden)]
pub struct Next(pub(crate) NextRecord);

/// A record that was handed over, while the handler works on it.
pub struct Opened<'r>(Open<'r>);

enum Open<'r> {
    Next(OpenRecord<'r>),
    Once(Delivery<'r>),
}

/// A record in one attempt, with its outer object.
pub(super) struct OpenRecord<'r> {
    next: &'r NextRecord,
    record: RecordRef<'r>,
    envelope: LazyEnvelope<'r>,
}

impl NextRecord {
    /// Opens the record; `None` when it is not in its batch.
    pub(super) fn open(&self) -> Option<OpenRecord<'_>> {
        let mut record = self.batch.records.get(self.index)?;
        let rules = self.batch.context.rules;
        let scanned = self.name.and_then(|name| Scanned::of(record.value?, name));
        let envelope = match scanned {
            Some(scanned) => LazyEnvelope::scanned(record, rules, scanned),
            None => LazyEnvelope::new(record.value, rules),
        };
        if let Some(origin) = &self.origin {
            record = record.as_of(origin.offset, origin.timestamp_ms);
        }
        Some(OpenRecord { next: self, record, envelope })
    }
}

impl OpenRecord<'_> {
    pub(super) fn delivery(&self) -> Delivery<'_> {
        let OpenRecord { next, record, envelope } = self;
        let context = &*next.batch.context;
        Delivery {
            partition: match &next.origin {
                Some(origin) => &origin.partition,
                None => next.batch.records.partition(),
            },
            record: *record,
            envelope,
            handler: context.handlers.get(next.handler).map_or("", |id| id),
            attempt: next.attempt,
            attempts: next.attempts,
            state: &context.state,
            shutdown: &context.shutdown,
        }
    }

    pub(super) fn has_ignored(&self) -> bool {
        self.envelope.has_ignored()
    }
}

impl Handed<'_> {
    /// Opens the record; `None` when it is not in its batch.
    pub fn open(&self) -> Option<Opened<'_>> {
        Some(Opened(match self {
            Handed::Next(Next(next)) => Open::Next(next.open()?),
            Handed::Once(delivery) => Open::Once(**delivery),
        }))
    }
}

impl Opened<'_> {
    /// The record in this attempt.
    pub fn delivery(&self) -> Delivery<'_> {
        match &self.0 {
            Open::Once(delivery) => *delivery,
            Open::Next(record) => record.delivery(),
        }
    }

    /// Whether the outer object was read, and has fields that count as absent because they cannot be.
    pub(crate) fn has_ignored(&self) -> bool {
        match &self.0 {
            Open::Once(_) => false,
            Open::Next(record) => record.has_ignored(),
        }
    }
}

impl fmt::Debug for Handed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handed")
    }
}

impl fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}
