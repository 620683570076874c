//! The contract of an event: where it lives, what it is called, what it carries.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{Envelope, EnvelopeError, Headers, NameError, TopicName};

/// A payload type with its names, implemented by `#[derive(Event)]`.
///
/// ```
/// use event_core::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// /// A claim was attached to a role.
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(topic = "role_events", name = "CLAIM_ADDED", key = role_id)]
/// #[serde(rename_all = "camelCase")]
/// struct ClaimAdded { id: i64, role_id: i64 }
///
/// assert_eq!(ClaimAdded::INFO.topic, "role_events");
/// assert_eq!(ClaimAdded { id: 7, role_id: 3 }.key().as_deref(), Some("3"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the contract of an event",
    label = "not a contract",
    note = "put `#[derive(Event)]` and `#[event(topic = \"..\", name = \"..\")]` on `{Self}`, or take the data untyped with `Json<{Self}>`"
)]
pub trait Contract {
    /// The names and the shape.
    const INFO: &'static ContractInfo;

    /// How data of older versions is read: [`NoOlder`](super::NoOlder), or
    /// [`UpcastFrom`](super::UpcastFrom) the contract before.
    type Older;

    /// The same type with every lifetime `'static`: an event that borrows is known by it.
    type Static: Contract;

    /// The record key, as text. Records of one key keep their order.
    fn key(&self) -> Option<Cow<'_, str>>;

    /// Adds the headers that the contract's fields become when it is sent.
    fn headers(&self, _headers: &mut Headers) {}
}

/// What is known of a contract without a value of it.
#[derive(Debug)]
pub struct ContractInfo {
    /// The topic it is sent to.
    pub topic: &'static str,
    /// The event's name, `eventType` on the wire.
    pub name: &'static str,
    /// The version that is written; 1 unless stated.
    pub version: u32,
    /// The Rust type's name.
    pub type_name: &'static str,
    /// Where the record key comes from.
    pub key: KeySource,
    /// The names of the headers that fields become.
    pub headers: &'static [&'static str],
    /// The contract of the version before, which this one converts.
    pub older: Option<&'static ContractInfo>,
    /// Whether the names follow only Kafka's rules.
    pub foreign_names: bool,
    /// The fields in declaration order; empty for an enum.
    pub fields: &'static [ContractField],
    /// Whether the data must be a JSON object.
    pub object: bool,
    /// Whether missing data will do, because there is no field to fill.
    pub empty: bool,
    /// A hash of the shape: two contracts of one name agree when it does.
    pub shape: u64,
    /// The doc comment, trimmed.
    pub description: &'static str,
    /// The file that declares it.
    pub file: &'static str,
    /// The line of the declaration.
    pub line: u32,
    /// The module that declares it.
    pub module: &'static str,
}

impl ContractInfo {
    /// The topic as a name.
    ///
    /// # Errors
    ///
    /// [`NameError`]; only a contract that was written by hand can have one.
    pub fn topic_name(&self) -> Result<TopicName, NameError> {
        TopicName::registered(self.topic, self.foreign_names)
    }

    /// Whether both are the same event, in whatever version.
    #[must_use]
    pub const fn is_same_event(&self, other: &ContractInfo) -> bool {
        event_names::same(self.topic, other.topic) && event_names::same(self.name, other.name)
    }

    /// Where the record key comes from, as two contracts of one event can be compared by it.
    pub(crate) fn key_on_the_wire(&self) -> String {
        match self.key {
            KeySource::None => "none".to_owned(),
            KeySource::Field(path) => {
                let (first, rest) = path.split_at(path.find('.').unwrap_or(path.len()));
                let own = self.fields.iter().find(|own| own.name == first);
                format!("`{}{rest}`", own.map_or(first, |own| own.wire_name))
            }
            // Each contract has its own, and which type it is a function of does not matter.
            KeySource::Function(path) => {
                format!("`{}()`", path.rsplit("::").next().unwrap_or(path).trim())
            }
        }
    }

    /// The record key of an event whose data is given as JSON instead of as a value of the type: a number as it
    /// is written there. The key field is found whatever case serde gives it on the wire.
    #[must_use]
    pub fn key_of_json(&self, data: &str) -> Option<String> {
        let KeySource::Field(path) = self.key else { return None };
        let mut value = data;
        for (depth, field) in path.split('.').enumerate() {
            // The fields of fields are not known here, but how services spell them is.
            let own = self.fields.iter().find(|own| depth == 0 && own.name == field);
            let own = own.map_or(field, |own| own.wire_name);
            let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(value).ok()?;
            let spelt_otherwise = || fields.iter().find(|(name, _)| same_letters(name, own));
            value = fields.get_key_value(own).or_else(spelt_otherwise)?.1.get();
        }
        match value.as_bytes().first()? {
            b'"' => serde_json::from_str(value).ok(),
            b'{' | b'[' | b'n' => None,
            _ => Some(value.to_owned()),
        }
    }
}

/// Where a contract's record key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The records have no key.
    None,
    /// A field, or a field of a field: `role.id`.
    Field(&'static str),
    /// A function of the contract, by its path.
    Function(&'static str),
}

/// Whether two names differ in case and separators only.
pub(crate) fn same_letters(a: &str, b: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars()
            .filter(|c| !matches!(c, '_' | '-' | ' '))
            .flat_map(char::to_lowercase)
            .collect()
    };
    letters(a) == letters(b)
}

/// One field of a contract.
#[derive(Debug)]
pub struct ContractField {
    /// The Rust name.
    pub name: &'static str,
    /// The name on the wire, as serde's attributes make it.
    pub wire_name: &'static str,
    /// Whether data without it is refused.
    pub required: bool,
    /// The Rust type as written.
    pub type_name: &'static str,
}

/// Decodes the data of an envelope into a contract's type and throws it away.
pub type DataCheck = fn(&'static Envelope<'static>) -> Result<(), EnvelopeError>;

/// A contract that is linked into the binary, with how its data is decoded; `None` for a type that is only
/// sent.
#[derive(Debug)]
pub struct ContractRegistration(pub &'static ContractInfo, pub Option<DataCheck>);

impl ContractRegistration {
    /// Whether the data of `envelope` fits the contract `info`: by its type where that can be decoded, else
    /// by its fields. The envelope stays in memory.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`]: the reason of the dead letter that a handler's service would write.
    pub fn check(info: &ContractInfo, envelope: Envelope<'static>) -> Result<(), EnvelopeError> {
        let place = |info: &ContractInfo| (info.module, info.file, info.line);
        let mut all = inventory::iter::<ContractRegistration>();
        match all.find(|one| place(one.0) == place(info)).and_then(|one| one.1) {
            Some(check) => check(Box::leak(Box::new(envelope))),
            None => envelope.check_fields(info),
        }
    }
}

inventory::collect!(ContractRegistration);
