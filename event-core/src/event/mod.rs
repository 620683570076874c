//! What an event is: its names, its contract, and its form on the wire.
//!
//! On the wire it is one JSON object a record:
//!
//! | field | read | written |
//! |---|---|---|
//! | `eventType` | text, required; the name that routes | always |
//! | `data` | the payload, decoded into the handler's type; may be absent or null when the contract has no fields | always |
//! | `userId` | a number, text, null or absent | always, null when nobody is known |
//! | `eventId` | a text or a number; [what identifies nothing](EventId::is_blank) counts as absent | always, a UUIDv7 |
//! | `occurredAt` | a time with its zone (RFC 3339, RFC 2822), or seconds, milliseconds, microseconds or nanoseconds since 1970; without a zone as the setting `naive_times` says | always, in UTC |
//! | `version` | an integer from 1 on, 1 when absent; higher than the contract's is dead-lettered as `unsupported_version` | always |
//! | any other | kept; [`Event::extra`](crate::Event::extra) reads it | never |
//!
//! An `eventId` or `occurredAt` that cannot be read counts as absent, because no delivery depends on it, and so does
//! a field that stands under another key (`event_id`):
//! the first of each event and kind is a warning in the log, all are counted
//! ([`Health::ignored_fields`](crate::observe::Health::ignored_fields)), and `explain --record` says it.
//!
//! A text may hold half of a surrogate pair (`\ud83d` alone), which is what is left of an emoji that its producer cut
//! in two and names no character. A handler whose type reads that text rejects the record as `lone_surrogate`;
//! where nobody reads it the event is handled. With `lone_surrogates = "dead_letter"` it is refused wherever it
//! stands ([`LoneSurrogates`]). A key is read where it may be a
//! field that somebody asks for.
//!
//! Field names inside `data` are what serde's attributes make them. The record key is the contract's
//! key field as text.

mod blank;
mod contract;
mod emits;
mod envelope;
mod envelope_error;
mod excerpt;
mod fields;
mod headers;
mod ignored;
mod key;
mod list;
mod mismatch;
mod name;
mod objects;
mod one_pass;
mod path;
mod payload;
mod error_offset;
mod rules;
mod scan;
mod setting_word;
mod shape;
mod stray_character;
mod strict;
mod syntax;
pub(crate) mod time;
mod user_id;
mod values;
mod writer;

pub use contract::{
    Contract, ContractField, ContractInfo, ContractRegistration, DataCheck, KeySource,
};
pub use emits::Emits;
pub use envelope::Envelope;
pub use envelope_error::{EnvelopeError, MAX_EVENT_TYPE_BYTES, NearKey};
pub(crate) use excerpt::excerpt;
pub(crate) use fields::extra_field;
pub use headers::{Header, Headers};
pub(crate) use ignored::for_each_ignored;
pub use ignored::{IgnoredField, IgnoredReason};
pub use key::RecordKey;
pub use list::{Events, Topics, UnknownName};
pub(crate) use name::is_of_names;
pub use name::{EventName, GroupName, GroupNameError, NameError, TopicName};
pub(crate) use name::{assert_foreign_name, assert_name};
#[doc(hidden)]
pub use one_pass::DataInPlace;
#[cfg(fuzzing)]
pub use one_pass::differential::check_input as check_one_pass;
pub(crate) use one_pass::{OnePass, is_sound, read as read_in_one_pass};
pub use payload::{NoOlder, Payload, ReadOlder, UpcastFrom};
pub use rules::{EnvelopeRules, LoneSurrogates, NaiveTimes};
pub(crate) use scan::NameAt;
#[doc(hidden)]
pub use scan::Scanned;
#[cfg(any(test, fuzzing))]
pub(crate) use scan::scan;
pub(crate) use setting_word::{SettingWord, setting_words};
pub use shape::KnownShape;
pub use stray_character::StrayCharacter;
pub use user_id::{EventId, UserId};
pub use writer::EventWriter;
