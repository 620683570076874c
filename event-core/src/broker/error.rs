//! What a broker refuses, in the words of the one who has to fix it.

use crate::event::TopicName;

/// An error of the broker or of the way to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Nobody answered.
    #[error("no broker answered at {address}: {last_error}")]
    Unreachable {
        /// The addresses that were tried.
        address: String,
        /// The last error of that broker.
        last_error: String,
    },
    /// The broker does not accept who we are, or we do not accept the broker.
    #[error("{reason}; {remedy}")]
    Authentication {
        /// The address.
        address: String,
        /// What was refused, by whom and why.
        reason: String,
        /// What to set.
        remedy: String,
    },
    /// What a person can fix; the client tries again by itself until then.
    #[error("{reason}; {remedy}")]
    Fixable {
        /// What happened.
        reason: String,
        /// What to set or to do.
        remedy: String,
    },
    /// The broker knows us but does not let us.
    #[error("not authorised: {0}")]
    Unauthorised(String),
    /// The topic does not exist.
    #[error("topic `{0}` does not exist")]
    UnknownTopic(String),
    /// The record is over the topic's or the client's limit.
    #[error("a record of {bytes} bytes is too large for topic `{topic}`: {reason}")]
    TooLarge {
        /// The topic.
        topic: String,
        /// The size of key, value and headers.
        bytes: usize,
        /// Who refused it.
        reason: String,
    },
    /// No answer in time. The record or commit may have arrived all the same.
    #[error("{what} was not acknowledged in time: {last_error}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// The last error.
        last_error: String,
    },
    /// The metadata of a commit is over the broker's limit. The commit of that partition was
    /// refused as a whole, offset included; those beside it count.
    #[error(
        "the metadata of a commit is {bytes} bytes long, more than the broker takes (`offset.metadata.max.bytes`)"
    )]
    MetadataTooLarge {
        /// The longest metadata of the commit.
        bytes: usize,
    },
    /// The group has members, so that its offsets cannot be set from outside.
    #[error(
        "group `{0}` has members: stop them first, all of them, or wait until their sessions are over"
    )]
    GroupActive(String),
    /// The member tries to join its group, and has not been let in yet: which group and topics, for how long,
    /// and the last error.
    #[error("{0}")]
    NotJoined(String),
    /// A commit was refused because the group is changing. The next one repeats it.
    #[error("a commit was refused while the group changes: {0}")]
    Rebalancing(String),
    /// A setting of the client is refused.
    #[error("the client refuses its settings: {0}")]
    Settings(String),
    /// The client cannot go on and must be recreated.
    #[error("the client failed for good: {0}")]
    Fatal(String),
    /// The position of a group is not in the log of a partition any more, and `out_of_range` is `stop`: the group
    /// goes on once a person has said where.
    #[error("{reason}; {remedy}")]
    LostPosition {
        /// Which group, partition and position, and what the log holds.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// Everything else; the client goes on by itself.
    #[error("{0}")]
    Other(String),
}

impl BrokerError {
    /// Whether the same call may succeed later without a change by a person.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(
            self,
            BrokerError::Unreachable { .. }
                | BrokerError::TimedOut { .. }
                | BrokerError::Fixable { .. }
                | BrokerError::NotJoined(_)
                | BrokerError::Rebalancing(_)
                | BrokerError::Other(_)
        )
    }

    /// What to set or to do, where the error itself knows it.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        match self {
            BrokerError::Authentication { remedy, .. }
            | BrokerError::Fixable { remedy, .. }
            | BrokerError::LostPosition { remedy, .. } => Some(remedy),
            _ => None,
        }
    }

    /// What happened, without [`BrokerError::remedy`].
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            BrokerError::Authentication { reason, .. }
            | BrokerError::Fixable { reason, .. }
            | BrokerError::LostPosition { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    /// That partitions of a topic have no leader, so that nobody can read or write them.
    pub(crate) fn no_leader(topic: &TopicName, partitions: &[i32]) -> Self {
        let names: Vec<_> = partitions.iter().map(|number| format!("{topic}/{number}")).collect();
        BrokerError::Fixable {
            reason: format!(
                "no leader for {}: none of the brokers that hold it in sync is up",
                names.join(", ")
            ),
            remedy: format!(
                "start one of them; `kafka-topics.sh --bootstrap-server .. --describe --topic {topic}` shows which they are"
            ),
        }
    }

    /// Whether the client that reported it is of no more use.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            BrokerError::Fatal(_) | BrokerError::Settings(_) | BrokerError::LostPosition { .. }
        )
    }
}
