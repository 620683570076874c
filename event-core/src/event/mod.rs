//! What an event is: its names, its contract, and its form on the wire.

mod contract;
mod envelope;
mod envelope_error;
mod excerpt;
mod headers;
mod key;
mod name;
mod objects;
mod strict;
mod user_id;
mod writer;

pub use contract::{Contract, ContractField, ContractInfo, ContractRegistration, Events, Topics};
pub use envelope::Envelope;
pub(crate) use envelope::extra_field;
pub use envelope_error::{EnvelopeError, MAX_EVENT_TYPE_BYTES};
pub(crate) use excerpt::excerpt;
pub use headers::{Header, Headers};
pub use key::RecordKey;
pub(crate) use name::assert_name;
pub use name::{EventName, GroupName, GroupNameError, NameError, TopicName};
pub use user_id::{EventId, UserId};
pub use writer::EventWriter;
