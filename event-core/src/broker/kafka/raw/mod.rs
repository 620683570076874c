//! The one place with unsafe code: what librdkafka can do and rdkafka's safe face cannot.
//!
//! Headers as bytes (rdkafka panics on a name that is not UTF-8) and without an allocation, producing with such headers,
//! messages and delivery reports in batches, how many events wait, commits whose answer can be waited for with a deadline, committed metadata
//! that is not UTF-8, who is in a group, the ids of topics, the code for which a certificate is refused, the end of the process
//! without exit handlers, and the times of the mock cluster's groups. Nothing here decides anything, and nothing here can be misused by
//! safe code: queues keep their client alive, and a record's opaque has the type that its producer
//! expects.

#![allow(unsafe_code)]

mod certificate;
mod commits;
mod committed;
mod deliveries;
mod fetch;
mod groups;
mod headers;
mod message;
mod mock;
mod process;
mod produce;
mod queue;
mod topics;

pub(super) use certificate::certificate_error;
pub(super) use commits::CommitQueue;
pub(super) use committed::{committed_in, leader_epochs_in, set_last_leader_epoch};
pub(super) use deliveries::{DeliveryQueue, Report};
pub(super) use fetch::FetchQueue;
pub(super) use groups::{GroupQueue, NativeGroup, is_member};
pub(super) use message::MessageView;
pub(super) use mock::set_session;
pub(super) use process::leave;
#[cfg(test)]
pub(super) use produce::fail_for_good;
pub(super) use produce::produce;
pub(super) use queue::EventQueue;
pub(super) use topics::{TopicId, TopicQueue};
