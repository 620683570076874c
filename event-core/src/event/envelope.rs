//! The outer object of a record, read in one pass.
//!
//! Routing needs the name and where the data lies, not the data: [`Envelope::read`] finds both and
//! leaves the data as text that is decoded once, later, into the handler's own type. What is
//! borrowed here points into the record, so a record without extra fields allocates nothing.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::blank::is_blank;
use super::envelope_error::{EnvelopeError, MAX_EVENT_TYPE_BYTES};
use super::error_offset::{offset_in, reason, refused_value_by};
use super::excerpt::excerpt;
use super::fields::{EVENT_ID, FIELDS, Fields, OCCURRED_AT, USER_ID, extra_field, key_meant_as};
use super::ignored::{IgnoredField, IgnoredReason};
use super::mismatch::{describe, lacks, version_help};
use super::objects::{self, Objects};
use super::path::path_at;
use super::rules::{EnvelopeRules, LoneSurrogates};
use super::syntax::{
    data_elsewhere, is_of_surrogate, lone_surrogate, no_event_type, not_an_object, syntax,
};
use super::values::{
    event_id_of, is_no_text, kind_of, or_ignored, place_of, text_of, time_of, user_id_of,
    version_of,
};
use super::{Contract, ContractInfo, EventId, ReadOlder, UserId, strict};

// How much of a foreign text an error may repeat.
const EXCERPT_BYTES: usize = 64;

/// A record's outer object: everything but the decoded data.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    event_type: Cow<'a, str>,
    data: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    event_id: Option<EventId>,
    occurred_at: Option<Timestamp>,
    version: Option<&'a RawValue>,
    /// Why fields count as absent.
    ignored: [Option<IgnoredReason>; FIELDS.len()],
    text: &'a str,
    has_extra: bool,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope of a record's value.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`], each kind of broken input with its own.
    ///
    /// ```
    /// use event_core::event::Envelope;
    /// let value = br#"{"eventType": "CLAIM_ADDED", "userId": 42, "data": {"id": 7, "roleId": 3}}"#;
    /// let envelope = Envelope::read(value)?;
    /// assert_eq!(envelope.event_type(), "CLAIM_ADDED");
    /// assert_eq!(envelope.data_text(), Some(r#"{"id": 7, "roleId": 3}"#));
    /// # Ok::<(), event_core::event::EnvelopeError>(())
    /// ```
    pub fn read(value: &'a [u8]) -> Result<Self, EnvelopeError> {
        Envelope::read_with(value, EnvelopeRules::default())
    }

    /// The same by the rules of the settings.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`], each kind of broken input with its own.
    pub fn read_with(value: &'a [u8], rules: EnvelopeRules) -> Result<Self, EnvelopeError> {
        let (text, lone_surrogate) = strict::check(value)?;
        if let (Some(byte), LoneSurrogates::DeadLetter) = (lone_surrogate, rules.lone_surrogates) {
            return Err(EnvelopeError::LoneSurrogate { path: path_at(text, byte), byte });
        }
        let start = text.trim_ascii_start();
        match start.as_bytes().first() {
            None => return Err(EnvelopeError::Empty),
            Some(b'{') => {}
            Some(first) => return Err(not_an_object(*first, text, text.len() - start.len())),
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let any_keys = lone_surrogate.is_some();
        let fields = Fields::read(&mut reader, any_keys).map_err(|error| syntax(text, &error))?;
        reader.end().map_err(|error| syntax(text, &error))?;
        Envelope::interpret(fields, text, rules, lone_surrogate.is_some())
    }

    /// The name as it stands in the record, well formed or not.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Who caused the event; `None` when absent or null, and for a text with half of a surrogate pair.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::FieldType`]. Validated here and not in [`Envelope::read`], because an event
    /// that nobody handles may have a form of its own.
    pub fn user_id(&self) -> Result<Option<UserId>, EnvelopeError> {
        self.user_id.map_or(Ok(None), |value| user_id_of(self.text, value.get()))
    }

    /// The identity the producer gave it, a text or a number; `None` for one that
    /// [identifies nothing](EventId::is_blank).
    #[must_use]
    pub fn event_id(&self) -> Option<&EventId> {
        self.event_id.as_ref()
    }

    /// When it happened; `None` when absent, and when it could mean several moments.
    #[must_use]
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.occurred_at
    }

    /// The fields that are there and cannot be read, so that they count as absent.
    pub fn ignored(&self) -> impl Iterator<Item = IgnoredField<'a>> + '_ {
        // Found again, because nearly no record has any.
        let mut reader = serde_json::Deserializer::from_str(self.text);
        let read = self.has_ignored().then(|| Fields::read(&mut reader, true).ok()).flatten();
        let known = read.unwrap_or_default().known;
        let each = FIELDS.into_iter().zip(self.ignored).zip(known).enumerate();
        each.filter_map(move |(index, ((name, reason), value))| {
            let reason = reason?;
            let value = match reason {
                IgnoredReason::OtherKey => key_meant_as(self.text, index)?,
                _ => value?.get(),
            };
            Some(IgnoredField { name, reason, value })
        })
    }

    /// Whether there are [ignored](Envelope::ignored) fields.
    pub(crate) fn has_ignored(&self) -> bool {
        self.ignored.iter().any(Option::is_some)
    }

    /// The version of the data; 1 when absent or null. Beyond 32 bits it is the highest there is.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::FieldType`].
    pub fn version(&self) -> Result<u32, EnvelopeError> {
        self.version.map_or(Ok(1), |value| version_of(self.text, value.get()))
    }

    /// The data as it stands in the record; `None` when absent.
    #[must_use]
    pub fn data_text(&self) -> Option<&'a str> {
        self.data.map(RawValue::get)
    }

    /// Whether there are top-level fields that the envelope does not know.
    #[must_use]
    pub fn has_extra(&self) -> bool {
        self.has_extra
    }

    /// A top-level field that the envelope does not know, as JSON. Reads the record again.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<&'a RawValue> {
        if self.has_extra { extra_field(self.text, name) } else { None }
    }

    /// The whole record as text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Decodes the data of a contract.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::UnsupportedVersion`] or [`EnvelopeError::DataMismatch`].
    pub fn decode_contract<T>(&self) -> Result<T, EnvelopeError>
    where
        T: Contract + serde::Deserialize<'a>,
        T::Older: ReadOlder<'a, T>,
    {
        let (found, supported) = (self.version()?, T::INFO.version);
        if found > supported {
            return Err(self.unsupported_version(found, T::INFO));
        }
        self.decode_version(found)
    }

    /// Decodes data of a version that `T` reads, itself or by the contract before it.
    pub(crate) fn decode_version<T>(&self, version: u32) -> Result<T, EnvelopeError>
    where
        T: Contract + serde::Deserialize<'a>,
        T::Older: ReadOlder<'a, T>,
    {
        match T::Older::read_older(self, version) {
            Some(older) => older,
            None => self.decode_own(version),
        }
    }

    /// Decodes the data into the contract's own type.
    pub(crate) fn decode_own<T>(&self, version: u32) -> Result<T, EnvelopeError>
    where
        T: Contract + serde::Deserialize<'a>,
    {
        let info = T::INFO;
        let data = match self.data_text() {
            None | Some("null") if info.empty => "{}",
            Some(data) => data,
            None => return Err(self.no_data(info.type_name, Some((version, info)))),
        };
        // serde would refuse it too, in words of its own.
        if info.object && !data.starts_with('{') {
            let problem = format!("`data` is {}, it must be an object", kind_of(data));
            let byte = offset_in(self.text, data);
            return Err(self.mismatch(info.type_name, Some((version, info)), problem, byte));
        }
        self.decode(data, info.type_name, Some((version, info)))
    }

    /// Checks the data by what is known of a contract without its type's decoder.
    pub(crate) fn check_fields(&self, contract: &ContractInfo) -> Result<(), EnvelopeError> {
        let mismatch = |problem| {
            Err(self.mismatch(
                contract.type_name,
                Some((contract.version, contract)),
                problem,
                None,
            ))
        };
        match self.data_text() {
            None | Some("null") if contract.empty => Ok(()),
            None => mismatch(self.where_the_data_is(Some(contract))),
            Some(data) if contract.object && !data.starts_with('{') => {
                mismatch(format!("`data` is {}, it must be an object", kind_of(data)))
            }
            Some(data) => lacks(data, contract).map_or(Ok(()), mismatch),
        }
    }

    fn unsupported_version(&self, found: u32, contract: &ContractInfo) -> EnvelopeError {
        let byte = self.version.map_or(0, |value| place_of(self.text, value.get()));
        let (event, type_name) = (excerpt(&self.event_type, EXCERPT_BYTES), contract.type_name);
        EnvelopeError::UnsupportedVersion {
            event,
            type_name,
            found,
            supported: contract.version,
            byte,
        }
    }

    /// Decodes the data into any type.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::DataMismatch`].
    pub fn decode_data<T>(&self) -> Result<T, EnvelopeError>
    where
        T: serde::Deserialize<'a>,
    {
        let type_name = std::any::type_name::<T>();
        match self.data_text() {
            Some(data) => self.decode(data, type_name, None),
            // What can be made of nothing, such as an `Option`, is.
            None => self.decode("null", type_name, None).map_err(|_| self.no_data(type_name, None)),
        }
    }

    // `contract` is the one of the type, with the version of the record.
    fn decode<T>(
        &self,
        data: &'a str,
        type_name: &'static str,
        contract: Option<(u32, &ContractInfo)>,
    ) -> Result<T, EnvelopeError>
    where
        T: serde::Deserialize<'a>,
    {
        // The data was found by the same reader, so nothing can follow it.
        let read = |json: &'a str| {
            let mut reader = serde_json::Deserializer::from_str(json);
            let read = T::deserialize(Objects(&mut reader));
            match read {
                // It may be in a key that no type reads.
                Err(error) if is_of_surrogate(&error) => objects::read_with_any_keys(json),
                read => read,
            }
        };
        read(data).map_err(|error| {
            let reason_at = |end: usize| Some(reason(&read(data.get(..end)?).err()?));
            self.does_not_fit(data, (type_name, contract), &error, &reason_at)
        })
    }

    #[cold]
    fn does_not_fit(
        &self,
        data: &str,
        (type_name, contract): (&'static str, Option<(u32, &ContractInfo)>),
        error: &serde_json::Error,
        reason_at: &dyn Fn(usize) -> Option<String>,
    ) -> EnvelopeError {
        if let Some(error) = lone_surrogate(self.text, data, error) {
            return error;
        }
        // Without any data an empty object was read, which stands nowhere.
        let Some(start) = offset_in(self.text, data) else {
            let problem = excerpt(&reason(error), 4 * EXCERPT_BYTES);
            return self.mismatch(type_name, contract, problem, None);
        };
        let byte = start + refused_value_by(data, error, reason_at);
        let problem = describe(self.text, byte, error, contract.map(|(_, contract)| contract));
        self.mismatch(type_name, contract, problem, Some(byte))
    }

    fn no_data(
        &self,
        type_name: &'static str,
        contract: Option<(u32, &ContractInfo)>,
    ) -> EnvelopeError {
        let problem = self.where_the_data_is(contract.map(|(_, contract)| contract));
        self.mismatch(type_name, contract, problem, None)
    }

    fn where_the_data_is(&self, contract: Option<&ContractInfo>) -> String {
        format!("the field `data` is missing{}", data_elsewhere(self.text, contract))
    }

    pub(crate) fn mismatch(
        &self,
        type_name: &'static str,
        contract: Option<(u32, &ContractInfo)>,
        mut problem: String,
        byte: Option<usize>,
    ) -> EnvelopeError {
        if let Some(help) = contract.and_then(|(found, contract)| version_help(found, contract)) {
            problem.push_str(&help);
        }
        let event = excerpt(&self.event_type, EXCERPT_BYTES);
        let versions = contract.map(|(found, contract)| (found, contract.version));
        EnvelopeError::DataMismatch { event, versions, type_name, problem, byte }
    }

    fn interpret(
        fields: Fields<'a>,
        text: &'a str,
        rules: EnvelopeRules,
        has_lone_surrogate: bool,
    ) -> Result<Self, EnvelopeError> {
        let mut ignored = fields.under_other_keys();
        let [event_type, data, mut user_id, event_id, occurred_at, version] = fields.known;
        let Some(json) = event_type.map(RawValue::get) else { return Err(no_event_type(text)) };
        let event_type = text_of("eventType", text, json)?;
        if event_type.len() > MAX_EVENT_TYPE_BYTES {
            return Err(EnvelopeError::EventTypeTooLong {
                bytes: event_type.len(),
                start: excerpt(&event_type, EXCERPT_BYTES),
                byte: place_of(text, json),
            });
        }
        if is_blank(&event_type) {
            let (expected, byte) = ("the name of an event", place_of(text, json));
            return Err(EnvelopeError::FieldType {
                field: "eventType",
                expected,
                found: "blank".to_owned(),
                byte,
            });
        }
        if has_lone_surrogate && user_id.is_some_and(|json| is_no_text(json.get())) {
            (user_id, ignored[USER_ID]) = (None, Some(IgnoredReason::LoneSurrogate));
        }
        // Not every producer writes these two, and no delivery depends on them: what cannot be
        // read counts as absent, and is reported.
        let (event_id, no_id) = or_ignored(event_id.map(RawValue::get), event_id_of);
        let (occurred_at, no_time) =
            or_ignored(occurred_at.map(RawValue::get), |json| time_of(json, rules));
        ignored[EVENT_ID] = no_id.or(ignored[EVENT_ID]);
        ignored[OCCURRED_AT] = no_time.or(ignored[OCCURRED_AT]);
        Ok(Envelope {
            event_type,
            data,
            user_id,
            event_id,
            occurred_at,
            version,
            ignored,
            text,
            has_extra: fields.has_extra,
        })
    }
}

#[cfg(test)]
mod tests;
