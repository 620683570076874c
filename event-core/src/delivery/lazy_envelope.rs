//! The outer object of a record, read when somebody asks for it.

use std::sync::OnceLock;

use super::RecordRef;
use crate::event::{Envelope, EnvelopeRules, Scanned};

/// Reads the outer object of the record of a [`Delivery`](super::Delivery), once, when it is asked for.
pub trait ReadEnvelope: Send + Sync {
    /// The outer object; `None` for a tombstone, and for what is no event.
    fn read(&self) -> Option<&Envelope<'_>>;

    /// What the scan for the event's name found; `None` when the record was not scanned, or is unusual.
    #[doc(hidden)]
    fn scanned(&self) -> Option<Scanned<'_>>;

    /// How what is not clear is read.
    #[doc(hidden)]
    fn rules(&self) -> EnvelopeRules;
}

/// The outer object of one record, not yet read.
///
/// ```
/// use event_core::delivery::{LazyEnvelope, ReadEnvelope};
/// let value = br#"{"eventType": "CLAIM_ADDED", "data": {"id": 7}}"#;
/// let lazy = LazyEnvelope::new(Some(value), Default::default());
/// assert_eq!(lazy.read().map(|envelope| envelope.event_type()), Some("CLAIM_ADDED"));
/// ```
#[derive(Debug)]
pub struct LazyEnvelope<'a> {
    value: Option<&'a [u8]>,
    rules: EnvelopeRules,
    scanned: Option<Scanned<'a>>,
    /// `None` when the value is no event. In a box, because nearly no record needs it.
    read: OnceLock<Option<Box<Envelope<'a>>>>,
}

impl<'a> LazyEnvelope<'a> {
    /// The outer object of a record with this value.
    #[must_use]
    pub fn new(value: Option<&'a [u8]>, rules: EnvelopeRules) -> Self {
        LazyEnvelope { value, rules, scanned: None, read: OnceLock::new() }
    }

    /// The same of a record that was scanned.
    pub(crate) fn scanned(
        record: RecordRef<'a>,
        rules: EnvelopeRules,
        scanned: Scanned<'a>,
    ) -> Self {
        LazyEnvelope { scanned: Some(scanned), ..LazyEnvelope::new(record.value, rules) }
    }

    /// The same of a record that was read already; `None` when it is no event.
    pub(crate) fn known(
        record: RecordRef<'a>,
        rules: EnvelopeRules,
        envelope: Option<Envelope<'a>>,
    ) -> Self {
        LazyEnvelope {
            read: OnceLock::from(envelope.map(Box::new)),
            ..LazyEnvelope::new(record.value, rules)
        }
    }

    /// Whether it was asked for, and has fields that cannot be read and count as absent.
    pub(crate) fn has_ignored(&self) -> bool {
        self.read.get().is_some_and(|read| read.as_ref().is_some_and(|read| read.has_ignored()))
    }
}

impl ReadEnvelope for LazyEnvelope<'_> {
    fn read(&self) -> Option<&Envelope<'_>> {
        let value = self.value?;
        let read = || Envelope::read_with(value, self.rules).ok().map(Box::new);
        self.read.get_or_init(read).as_deref()
    }

    fn scanned(&self) -> Option<Scanned<'_>> {
        self.scanned
    }

    fn rules(&self) -> EnvelopeRules {
        self.rules
    }
}
