//! Reads a record in one pass: the data where it stands into the handler's own type, the other fields beside it.
//!
//! It accepts less than [`Envelope::read`](super::Envelope::read), and gives no reasons: where a record is in any
//! way unusual it says `None`, and that reader decides. What it accepts, that reader accepts as the same event.
//!
//! Two readers decode it. `event::one_pass` reads a record that was scanned: the data where it stands into the
//! handler's type, the other fields beside it. It gives no reasons: whatever it does not take, from a broken record
//! to an escape in a text, `Envelope::read` reads, which alone gives verdicts. What one pass accepts, the envelope
//! accepts as the same event: a test compares both by records that random choices make, and so does the fuzz target
//! of `tests/fuzz`.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::fields::meant_by;
use super::objects;
use super::scan::{Scanned, text_length, trim_start};
use super::values::{event_id_of, or_ignored, time_of, user_id_of, version_of};
use super::{Contract, ContractInfo, EnvelopeRules, EventId, ReadOlder, UserId};

/// A record that was read in one pass: the payload, and what the envelope says.
#[derive(Debug)]
pub(crate) struct OnePass<P> {
    pub(crate) payload: P,
    pub(crate) user_id: Option<UserId>,
    pub(crate) event_id: Option<EventId>,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) version: u32,
    /// Whether there are top-level fields that the envelope does not know.
    pub(crate) has_extra: bool,
}

/// Reads a record whose data `decode` decodes. A version that is not known is tried once without and once with it.
pub(crate) fn read<'a, P>(
    scanned: Scanned<'a>,
    rules: EnvelopeRules,
    decode: fn(&mut DataInPlace<'a>) -> Option<P>,
) -> Option<OnePass<P>> {
    let mut record = Record::new(scanned)?;
    let mut payload = None;
    if record.read_fields()? == Stop::Data {
        payload = decode(&mut record.data);
        if payload.is_none() {
            record.pass_data_that_waits()?;
        }
        record.read_fields()?;
    }
    let version = record.data.version.unwrap_or(1);
    record.data.version = Some(version);
    let payload = match payload {
        Some(payload) => payload,
        None => decode(&mut record.data)?,
    };
    if version > record.data.supported {
        return None;
    }
    let user_id = record.user_id.map_or(Some(None), |json| user_id_of(record.text, json).ok())?;
    let (event_id, occurred_at) = record.identity_and_time(rules)?;
    Some(OnePass { payload, user_id, event_id, occurred_at, version, has_extra: record.has_extra })
}

/// Whether a record is an event with the name that was scanned and without
/// [ignored fields](super::Envelope::ignored), whatever its data is. `false` where
/// [`Envelope::read`](super::Envelope::read) decides.
pub(crate) fn is_sound(scanned: Scanned<'_>, rules: EnvelopeRules) -> bool {
    let read = || {
        let mut record = Record::new(scanned)?;
        if record.read_fields()? == Stop::Data {
            record.pass_data()?;
            record.read_fields()?;
        }
        record.identity_and_time(rules)
    };
    read().is_some()
}

/// The data of a record that is read in one pass.
#[derive(Debug)]
pub struct DataInPlace<'de> {
    event_type: &'de str,
    /// The record from the data on; `None` when it has none.
    json: Option<&'de str>,
    /// The record behind the data.
    rest: &'de str,
    /// The version of the data; `None` as long as it may follow.
    version: Option<u32>,
    /// The highest version that the contract reads.
    supported: u32,
    /// Whether the data can be decoded only when its version is known.
    waits_for_version: bool,
}

impl<'de> DataInPlace<'de> {
    /// The name as it stands in the record.
    #[must_use]
    pub fn event_type(&self) -> &'de str {
        self.event_type
    }

    /// Decodes the data of a contract.
    pub(super) fn contract<T>(&mut self) -> Option<T>
    where
        T: Contract + Deserialize<'de>,
        T::Older: ReadOlder<'de, T>,
    {
        let json = self.json_of(T::INFO, T::Older::UP_TO)?;
        let (payload, rest) = objects::read_start(json.unwrap_or("{}"))?;
        if json.is_some() {
            self.rest = rest;
        }
        Some(payload)
    }

    /// Decodes the data of an event without a contract.
    pub(crate) fn untyped<T: Deserialize<'de>>(&mut self) -> Option<T> {
        self.supported = u32::MAX;
        let (payload, rest) = objects::read_start(self.json.unwrap_or("null"))?;
        if self.json.is_some() {
            self.rest = rest;
        }
        Some(payload)
    }

    // The JSON that starts with the data of this contract; without it where nothing stands for an empty object.
    // `older` is the highest version that an older contract reads.
    fn json_of(&mut self, info: &ContractInfo, older: u32) -> Option<Option<&'de str>> {
        self.supported = info.version;
        match self.version {
            None if older > 0 => {
                self.waits_for_version = true;
                return None;
            }
            Some(version) if version <= older || version > info.version => return None,
            _ => {}
        }
        match self.json {
            None => info.empty.then_some(None),
            Some(json) => match json.strip_prefix("null") {
                Some(rest) if info.empty => {
                    self.rest = rest;
                    Some(None)
                }
                _ if info.object && !json.starts_with('{') => None,
                _ => Some(Some(json)),
            },
        }
    }
}

// Where reading of fields stopped.
#[derive(Debug, PartialEq)]
enum Stop {
    Data,
    End,
}

// A record that is being read, with the values of the fields as JSON.
struct Record<'a> {
    text: &'a str,
    data: DataInPlace<'a>,
    user_id: Option<&'a str>,
    event_id: Option<&'a str>,
    occurred_at: Option<&'a str>,
    version: Option<&'a str>,
    has_extra: bool,
    /// Which fields stand under another key.
    other_keys: u8,
}

impl<'a> Record<'a> {
    fn new(scanned: Scanned<'a>) -> Option<Self> {
        let Scanned { text, event_type } = scanned;
        let rest = text.get(scanned.behind_event_type()?..)?;
        let data = DataInPlace {
            event_type,
            json: None,
            rest,
            version: None,
            supported: 0,
            waits_for_version: false,
        };
        Some(Record {
            text,
            data,
            user_id: None,
            event_id: None,
            occurred_at: None,
            version: None,
            has_extra: false,
            other_keys: 0,
        })
    }

    // Reads fields up to the data, or to the end of the record.
    fn read_fields(&mut self) -> Option<Stop> {
        loop {
            let rest = trim(self.data.rest);
            let Some(rest) = rest.strip_prefix(',') else {
                let end = trim(rest.strip_prefix('}')?);
                return end.is_empty().then_some(Stop::End);
            };
            let (key, rest) = key(trim(rest))?;
            let json = trim(trim(rest).strip_prefix(':')?);
            let field = match key {
                "data" => {
                    let is_first = self.data.json.replace(json).is_none();
                    return is_first.then_some(Stop::Data);
                }
                // It was the first.
                "eventType" => return None,
                "userId" => Some(&mut self.user_id),
                "eventId" => Some(&mut self.event_id),
                "occurredAt" => Some(&mut self.occurred_at),
                "version" => Some(&mut self.version),
                _ => None,
            };
            let (json, rest) = value(json)?;
            self.data.rest = rest;
            match field {
                None => {
                    self.has_extra = true;
                    self.other_keys |= meant_by(key);
                }
                Some(field) if field.is_none() => *field = Some(json),
                Some(_) => return None,
            }
            if key == "version" {
                self.data.version = Some(version_of(self.text, json).ok()?);
            }
        }
    }

    // Goes on behind the data.
    fn pass_data(&mut self) -> Option<()> {
        self.data.rest = value(self.data.json?)?.1;
        Some(())
    }

    // The same where the data will be decoded later; else it was refused.
    fn pass_data_that_waits(&mut self) -> Option<()> {
        if self.data.waits_for_version { self.pass_data() } else { None }
    }

    // `None` where one of them is ignored.
    fn identity_and_time(
        &self,
        rules: EnvelopeRules,
    ) -> Option<(Option<EventId>, Option<Timestamp>)> {
        if self.other_keys != 0 && self.lacks_what_stands_elsewhere() {
            return None;
        }
        if self.event_id.is_none() && self.occurred_at.is_none() {
            return Some((None, None));
        }
        let (event_id, no_id) = or_ignored(self.event_id, event_id_of);
        let (occurred_at, no_time) = or_ignored(self.occurred_at, |json| time_of(json, rules));
        (no_id.is_none() && no_time.is_none()).then_some((event_id, occurred_at))
    }

    // Whether a field is absent and stands under another key.
    #[cold]
    fn lacks_what_stands_elsewhere(&self) -> bool {
        let fields = [
            Some(self.data.event_type),
            self.data.json,
            self.user_id,
            self.event_id,
            self.occurred_at,
            self.version,
        ];
        let lacks = |(index, field): (usize, &Option<&str>)| {
            field.is_none() && self.other_keys & (1 << index) != 0
        };
        fields.iter().enumerate().any(lacks)
    }
}

// A key without an escape, and what follows.
fn key(json: &str) -> Option<(&str, &str)> {
    let text = json.strip_prefix('"')?;
    let (key, rest) = text.split_at_checked(text_length(text.as_bytes())?)?;
    Some((key, rest.get(1..)?))
}

// A value, and what follows. Most are short, so that a reader of their own costs more than they do.
fn value(json: &str) -> Option<(&str, &str)> {
    let length = match json.as_bytes() {
        [b'"', text @ ..] => Some(text_length(text)? + 2),
        [b'n', b'u', b'l', b'l', ..] => Some(4),
        [b'1'..=b'9', digits @ ..] => {
            let more = digits.iter().position(|byte| !byte.is_ascii_digit())?;
            (!matches!(digits[more], b'.' | b'e' | b'E')).then_some(1 + more)
        }
        _ => None,
    };
    if let Some(length) = length {
        return json.split_at_checked(length);
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    IgnoredAny::deserialize(&mut reader).ok()?;
    json.split_at_checked(objects::bytes_read(reader))
}

fn trim(json: &str) -> &str {
    let rest = trim_start(json.as_bytes()).len();
    &json[json.len() - rest..]
}

#[cfg(any(test, fuzzing))]
pub(crate) mod differential;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;
