//! What a person does with the records of a service: look at them, and move them.
//!
//! Every operation is a function over a [`Broker`](crate::broker::Broker), so that whoever shows it,
//! a command or a page, only reads what was asked for and shows what came out. Nothing here joins
//! the group of the service, and nothing is committed for it but by [`seek`].
//!
//! A replay is the service itself on a broker whose consumer reads a range once (`operations::ReplayBroker`): what
//! the engine would commit only shows how far it has come.

mod acls;
pub mod dead_letters;
mod dry_run;
mod error;
mod groups;
mod lag;
mod owned_record;
mod resilient_reader;
mod offset_spec;
mod rate;
mod replay;
mod seek;
mod snippet;
mod tail;
mod topics;

use std::time::Duration;

pub use acls::{
    ACL_RULES, AclOperation, AclResource, AclRule, AclSubject, AclUse, NeededAcl, acl_table,
    needed_acls,
};
pub use dry_run::{DryRun, DryRunOutcome, DryRunner};
pub use error::OperationError;
pub use groups::{GroupTopics, groups_of};
pub use lag::{Lags, PartitionLag, UnknownLag, lag_of};
pub use offset_spec::{OffsetSpec, partitions_of, resolve};
pub use owned_record::OwnedRecord;
pub use rate::{Rate, RateError};
pub use replay::{ReplayBroker, ReplayConsumer, ReplayRange, Replayed, dry_replay};
pub use seek::{Move, SeekPlan, plan_seek, seek};
pub use snippet::{Snippet, printable};
pub use tail::{TailFilter, TailedEvent, TailedRecord, tail};
pub use topics::{
    NeededTopic, TopicState, UnevenTopic, create_topics, missing_topics, needed_topics,
    topic_states, uneven_topics,
};

/// How long the broker may take to answer one question.
const TIMEOUT: Duration = Duration::from_secs(10);

// With the clock paused.
#[cfg(all(test, feature = "testing"))]
mod tests;
