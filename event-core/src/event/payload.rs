//! What a handler may take as `Event<..>`: one contract, or a sum of several.
//!
//! `Event<T>` takes any `Payload`: a contract that serde can decode, or a sum of contracts. A contract knows the
//! one before it (`Contract::Older`), so that a record of an older version is decoded as that type and converted,
//! step by step.

use std::marker::PhantomData;

use serde::Deserialize;

use super::{Contract, ContractInfo, DataInPlace, Envelope, EnvelopeError};

/// The data of one event, or of several of one topic.
///
/// [`derive(Event)`](macro@crate::Event) makes a contract one that serde can decode, and
/// [`derive(EventSum)`](macro@crate::EventSum) an enum whose variants each hold a contract.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a contract that can be decoded",
    label = "not the payload of an event",
    note = "put `#[derive(Event, Deserialize)]` and `#[event(topic = \"..\", name = \"..\")]` on `{Self}`, or take the data untyped with `Json<{Self}>`"
)]
pub trait Payload<'de>: Sized {
    /// The events whose data this holds; never empty.
    const EVENTS: &'static [&'static ContractInfo];

    /// Decodes the data.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`]: the record is no event of these, or its data does not fit.
    fn read(envelope: &Envelope<'de>) -> Result<Self, EnvelopeError>;

    /// Decodes the data where it stands in the record; `None` where [`read`](Payload::read) decides.
    #[doc(hidden)]
    fn read_in_place(_data: &mut DataInPlace<'de>) -> Option<Self> {
        None
    }
}

// What is missing of a contract is said in the words above.
#[diagnostic::do_not_recommend]
impl<'de, T> Payload<'de> for T
where
    T: Contract + Deserialize<'de>,
    T::Older: ReadOlder<'de, T>,
{
    const EVENTS: &'static [&'static ContractInfo] = &[T::INFO];

    fn read(envelope: &Envelope<'de>) -> Result<Self, EnvelopeError> {
        envelope.decode_contract()
    }

    fn read_in_place(data: &mut DataInPlace<'de>) -> Option<Self> {
        data.contract()
    }
}

/// How a contract reads data of versions before its own.
pub trait ReadOlder<'de, T> {
    /// The highest version that is not read by `T` itself, 0 when there is none. Where it is not known it is the
    /// highest of all: then the data of each event is read twice, once to find it and once to decode it.
    const UP_TO: u32 = u32::MAX;

    /// The data of `version` as `T`; `None` when `T` itself reads that version.
    fn read_older(envelope: &Envelope<'de>, version: u32) -> Option<Result<T, EnvelopeError>>;
}

/// The contract itself reads every version up to its own: what newer versions added has defaults.
#[derive(Debug)]
pub enum NoOlder {}

impl<'de, T> ReadOlder<'de, T> for NoOlder {
    const UP_TO: u32 = 0;

    fn read_older(_: &Envelope<'de>, _: u32) -> Option<Result<T, EnvelopeError>> {
        None
    }
}

/// Data up to the version of the contract `P` is read as `P` and converted.
#[derive(Debug)]
pub struct UpcastFrom<P>(PhantomData<P>);

impl<'de, T, P> ReadOlder<'de, T> for UpcastFrom<P>
where
    T: From<P>,
    P: Contract + Deserialize<'de>,
    P::Older: ReadOlder<'de, P>,
{
    const UP_TO: u32 = P::INFO.version;

    fn read_older(envelope: &Envelope<'de>, version: u32) -> Option<Result<T, EnvelopeError>> {
        (version <= P::INFO.version).then(|| envelope.decode_version::<P>(version).map(T::from))
    }
}
