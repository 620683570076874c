//! Whatever is read in one pass, [`Envelope`] reads as the same event.
//!
//! The tests and the fuzz target `one_pass` share this.

mod contracts;
mod records;

use std::fmt::Debug;

use contracts::KINDS;
#[cfg(test)]
pub(super) use records::ordinary_record;
pub(super) use records::{Choices, any_record};
use serde::Deserialize;

use super::is_sound;
use crate::event::{Envelope, EnvelopeError, EnvelopeRules, Payload, scan};
use crate::extract::{Event, Json};

/// How a record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadBy {
    OnePass,
    Envelope,
    Nobody,
}

/// A contract under test: the name of its event, and how a record is read as it.
pub(super) struct Kind {
    pub(super) event: &'static str,
    pub(super) read: for<'a> fn(&'a [u8], EnvelopeRules) -> ReadBy,
}

/// Reads a record of the fuzzer's choice: bytes as they are, or a record that they choose.
#[cfg(fuzzing)]
pub fn check_input(input: &[u8]) {
    let [how, low, high, input @ ..] = input else { return };
    let choice = usize::from(u16::from_le_bytes([*low, *high]));
    match how {
        0..0x80 => check_some(input, choice),
        _ => check_some(&any_record(&mut Choices::of(input)), choice),
    };
}

/// Reads a record as every contract.
///
/// # Panics
///
/// When one pass accepts what the envelope does not, or accepts it otherwise.
#[cfg(test)]
pub(crate) fn check_record(value: &[u8]) {
    for rules in all_rules() {
        check_envelope(value, rules);
        for kind in KINDS {
            (kind.read)(value, rules);
        }
    }
}

/// Reads a record as the contract of its name and as one other. `choice` picks that one, and the rules.
pub(super) fn check_some(value: &[u8], choice: usize) -> ReadBy {
    let rules = all_rules()[choice % 4];
    check_envelope(value, rules);
    let other = &KINDS[choice / 4 % KINDS.len()];
    let mut read = (other.read)(value, rules);
    if let Some(name) = scan(value).map(|scanned| scanned.event_type) {
        for kind in KINDS.iter().filter(|kind| kind.event == name) {
            read = (kind.read)(value, rules);
        }
    }
    read
}

fn all_rules() -> [EnvelopeRules; 4] {
    use crate::event::{LoneSurrogates, NaiveTimes};
    let rules = EnvelopeRules::default();
    let strict = rules.lone_surrogates(LoneSurrogates::DeadLetter);
    [rules, rules.naive_times(NaiveTimes::Utc), strict, strict.naive_times(NaiveTimes::Utc)]
}

// What is said without the data.
fn check_envelope(value: &[u8], rules: EnvelopeRules) {
    let Some(scanned) = scan(value) else { return };
    let envelope = Envelope::read_with(value, rules);
    if let Ok(envelope) = &envelope {
        assert_eq!(scanned.event_type, envelope.event_type(), "{}", shown(value));
    }
    if is_sound(scanned, rules) {
        let is_right = envelope.is_ok_and(|envelope| !envelope.has_ignored());
        assert!(is_right, "{}", shown(value));
    }
}

/// Reads a record as an event both ways.
pub(super) fn read_event<'a, T>(value: &'a [u8], rules: EnvelopeRules) -> ReadBy
where
    T: Payload<'a> + Debug,
{
    let one_pass = scan(value).and_then(|scanned| Event::<T>::read_scanned(scanned, rules));
    let is_read = one_pass.is_some();
    compare(value, one_pass, || {
        let envelope = Envelope::read_with(value, rules)?;
        // The engine reports these.
        assert!(!is_read || !envelope.has_ignored(), "{}", shown(value));
        Event::read(&envelope)
    })
}

/// Reads a record as data without a contract both ways.
pub(super) fn read_json<'a, T>(value: &'a [u8], rules: EnvelopeRules) -> ReadBy
where
    T: Deserialize<'a> + Debug,
{
    let envelope = || Envelope::read_with(value, rules)?.decode_data().map(Json);
    let one_pass = scan(value).and_then(|scanned| Json::<T>::read_scanned(scanned, rules));
    compare(value, one_pass, envelope)
}

fn compare<E: Debug>(
    value: &[u8],
    one_pass: Option<E>,
    envelope: impl FnOnce() -> Result<E, EnvelopeError>,
) -> ReadBy {
    let Some(one_pass) = one_pass else {
        return if cfg!(fuzzing) || envelope().is_err() {
            ReadBy::Nobody
        } else {
            ReadBy::Envelope
        };
    };
    match envelope() {
        Ok(event) => assert_eq!(format!("{one_pass:?}"), format!("{event:?}"), "{}", shown(value)),
        Err(error) => panic!("{one_pass:?} was read of {}, but {error}", shown(value)),
    }
    ReadBy::OnePass
}

fn shown(value: &[u8]) -> String {
    format!("b\"{}\"", value.escape_ascii())
}
