//! The ACLs that a service and its commands need on a secured cluster.
//!
//! [`ACL_RULES`] is the only place that says so: the command `acls` and the table in
//! [`guide::kafka`](crate::guide::kafka) are made from it. It was tried against a Kafka that grants
//! nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::event::{GroupName, NameError, TopicName};
use crate::handler::HandlerRegistration;
use crate::router::{EventRouter, Purpose};

/// What is done with the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
// No variant has the name of a type that handlers name: the compiler would write that type with its path.
pub enum AclUse {
    /// The service itself: `run`.
    Run,
    /// `run` with `create_topics = true`, beside what [`AclUse::Run`] needs.
    CreateTopics,
    /// `dlq ls` and `dlq show`.
    DlqLs,
    /// `dlq redrive` and `dlq drop`, beside what [`AclUse::DlqLs`] needs.
    Dlq,
    /// `topics ls` and `topics create`.
    ListAndCreateTopics,
    /// `check --online`.
    Check,
    /// `lag`.
    Lag,
    /// `seek`.
    Seek,
    /// `tail`.
    Tail,
    /// `replay`.
    Replay,
    /// `emit`.
    EmitEvent,
}

impl AclUse {
    /// All of them.
    pub const ALL: [AclUse; 11] = [
        AclUse::Run,
        AclUse::CreateTopics,
        AclUse::DlqLs,
        AclUse::Dlq,
        AclUse::ListAndCreateTopics,
        AclUse::Check,
        AclUse::Lag,
        AclUse::Seek,
        AclUse::Tail,
        AclUse::Replay,
        AclUse::EmitEvent,
    ];

    /// What it is, in the words of the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AclUse::Run => "run",
            AclUse::CreateTopics => "create_topics = true",
            AclUse::DlqLs => "dlq ls, dlq show",
            AclUse::Dlq => "dlq redrive, dlq drop",
            AclUse::ListAndCreateTopics => "topics ls, topics create",
            AclUse::Check => "check --online",
            AclUse::Lag => "lag",
            AclUse::Seek => "seek",
            AclUse::Tail => "tail",
            AclUse::Replay => "replay",
            AclUse::EmitEvent => "emit",
        }
    }
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AclSubject {
    /// The topics that handlers listen to.
    Consumed,
    /// The topics of the events that handlers send.
    Sent,
    /// The topics of all linked contracts.
    Contracts,
    /// The dead-letter topics.
    DeadLetters,
    /// The retry topics.
    Retries,
    /// The redrive topics.
    Redrives,
    /// The consumer groups.
    Groups,
}

impl AclSubject {
    /// For people: `topics of handlers`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AclSubject::Consumed => "topics of handlers",
            AclSubject::Sent => "topics that handlers send to",
            AclSubject::Contracts => "topics of contracts",
            AclSubject::DeadLetters => "dead-letter topics",
            AclSubject::Retries => "retry topics",
            AclSubject::Redrives => "redrive topics",
            AclSubject::Groups => "consumer groups",
        }
    }
}

/// An operation of [Kafka's ACLs](https://kafka.apache.org/documentation/#operations_in_kafka).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AclOperation {
    /// `Read`: consume from a topic, join a group and commit.
    Read,
    /// `Write`: produce to a topic.
    Write,
    /// `Create`: make a topic.
    Create,
    /// `Describe`: see that a topic is there, its partitions and offsets; a group's offsets.
    Describe,
}

impl AclOperation {
    /// As `kafka-acls` writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AclOperation::Read => "Read",
            AclOperation::Write => "Write",
            AclOperation::Create => "Create",
            AclOperation::Describe => "Describe",
        }
    }
}

/// One line of the table: which operations a use needs on which resources.
#[derive(Clone, Copy, Debug)]
pub struct AclRule {
    /// What is done.
    pub of: AclUse,
    /// On what.
    pub on: AclSubject,
    /// With which operations.
    pub operations: &'static [AclOperation],
}

const fn rule(of: AclUse, on: AclSubject, operations: &'static [AclOperation]) -> AclRule {
    AclRule { of, on, operations }
}

const CREATE: &[AclOperation] = &[AclOperation::Create, AclOperation::Describe];
const DESCRIBE: &[AclOperation] = &[AclOperation::Describe];
const READ: &[AclOperation] = &[AclOperation::Read, AclOperation::Describe];
const WRITE: &[AclOperation] = &[AclOperation::Write, AclOperation::Describe];
const READ_WRITE: &[AclOperation] =
    &[AclOperation::Read, AclOperation::Write, AclOperation::Describe];

/// Every ACL that is needed. `Read` and `Write` imply `Describe` for Kafka's own authorizer; it is
/// written all the same, as `kafka-acls --consumer` and `--producer` do.
pub const ACL_RULES: &[AclRule] = &[
    rule(AclUse::Run, AclSubject::Consumed, READ),
    rule(AclUse::Run, AclSubject::Redrives, READ),
    rule(AclUse::Run, AclSubject::Retries, READ_WRITE),
    rule(AclUse::Run, AclSubject::DeadLetters, WRITE),
    rule(AclUse::Run, AclSubject::Sent, WRITE),
    rule(AclUse::Run, AclSubject::Groups, READ),
    rule(AclUse::CreateTopics, AclSubject::DeadLetters, CREATE),
    rule(AclUse::CreateTopics, AclSubject::Redrives, CREATE),
    rule(AclUse::CreateTopics, AclSubject::Retries, CREATE),
    rule(AclUse::DlqLs, AclSubject::DeadLetters, READ),
    // Of a record that was too large for its letter.
    rule(AclUse::DlqLs, AclSubject::Consumed, READ),
    rule(AclUse::Dlq, AclSubject::DeadLetters, READ_WRITE),
    rule(AclUse::Dlq, AclSubject::Consumed, READ),
    rule(AclUse::Dlq, AclSubject::Redrives, WRITE),
    rule(AclUse::Dlq, AclSubject::Groups, DESCRIBE),
    rule(AclUse::ListAndCreateTopics, AclSubject::Consumed, CREATE),
    rule(AclUse::ListAndCreateTopics, AclSubject::DeadLetters, CREATE),
    rule(AclUse::ListAndCreateTopics, AclSubject::Redrives, CREATE),
    rule(AclUse::ListAndCreateTopics, AclSubject::Retries, CREATE),
    rule(AclUse::ListAndCreateTopics, AclSubject::Sent, CREATE),
    rule(AclUse::Check, AclSubject::Consumed, DESCRIBE),
    rule(AclUse::Check, AclSubject::DeadLetters, DESCRIBE),
    rule(AclUse::Check, AclSubject::Redrives, DESCRIBE),
    rule(AclUse::Check, AclSubject::Retries, DESCRIBE),
    rule(AclUse::Lag, AclSubject::Consumed, DESCRIBE),
    rule(AclUse::Lag, AclSubject::Redrives, DESCRIBE),
    rule(AclUse::Lag, AclSubject::Retries, DESCRIBE),
    rule(AclUse::Lag, AclSubject::Groups, DESCRIBE),
    rule(AclUse::Seek, AclSubject::Consumed, READ),
    rule(AclUse::Seek, AclSubject::Groups, READ),
    rule(AclUse::Tail, AclSubject::Consumed, READ),
    rule(AclUse::Tail, AclSubject::DeadLetters, READ),
    rule(AclUse::Tail, AclSubject::Redrives, READ),
    rule(AclUse::Tail, AclSubject::Retries, READ),
    rule(AclUse::Replay, AclSubject::Consumed, READ),
    // Its start-up is that of the service; it writes them with `--dead-letter` only.
    rule(AclUse::Replay, AclSubject::DeadLetters, WRITE),
    rule(AclUse::Replay, AclSubject::Redrives, DESCRIBE),
    rule(AclUse::Replay, AclSubject::Retries, DESCRIBE),
    rule(AclUse::Replay, AclSubject::Sent, WRITE),
    rule(AclUse::EmitEvent, AclSubject::Contracts, WRITE),
];

/// A topic or a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AclResource {
    /// A topic.
    Topic(TopicName),
    /// A consumer group.
    Group(GroupName),
}

impl fmt::Display for AclResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AclResource::Topic(topic) => topic.fmt(f),
            AclResource::Group(group) => group.fmt(f),
        }
    }
}

/// What a principal needs on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededAcl {
    /// The topic or group.
    pub resource: AclResource,
    /// The operations.
    pub operations: BTreeSet<AclOperation>,
    /// Why, such as `dead-letter topics: run`, sorted.
    pub needed_for: BTreeSet<(AclSubject, AclUse)>,
}

/// The ACLs that `handlers`, a table for each of their groups, need for `uses`, sorted by resource.
/// `contracts` are the topics of all that is linked.
///
/// # Errors
///
/// [`NameError`] for a topic that cannot have its others, because their names are over the limit.
pub fn needed_acls<'a>(
    handlers: &[&'static HandlerRegistration],
    groups: impl IntoIterator<Item = (&'a GroupName, &'a EventRouter)>,
    contracts: &[TopicName],
    uses: &[AclUse],
) -> Result<Vec<NeededAcl>, NameError> {
    let mut resources = BTreeMap::<AclSubject, BTreeSet<AclResource>>::new();
    let mut add = |subject: AclSubject, resource: AclResource| {
        resources.entry(subject).or_default().insert(resource);
    };
    for (group, router) in groups {
        add(AclSubject::Groups, AclResource::Group(group.clone()));
        for topic in router.topics() {
            add(AclSubject::Consumed, AclResource::Topic(topic?));
        }
        for derived in router.derived_topics() {
            let derived = derived?;
            let subject = match derived.purpose {
                Purpose::DeadLetters => AclSubject::DeadLetters,
                Purpose::Redrive => AclSubject::Redrives,
                Purpose::Retry(_) => AclSubject::Retries,
            };
            add(subject, AclResource::Topic(derived.topic));
        }
    }
    for contract in handlers.iter().flat_map(|handler| handler.sends().unwrap_or_default()) {
        add(AclSubject::Sent, AclResource::Topic(TopicName::foreign(contract.topic)?));
    }
    for topic in contracts {
        add(AclSubject::Contracts, AclResource::Topic(topic.clone()));
    }
    let mut needed = BTreeMap::<AclResource, NeededAcl>::new();
    for rule in ACL_RULES.iter().filter(|rule| uses.contains(&rule.of)) {
        for resource in resources.get(&rule.on).into_iter().flatten() {
            let acl = needed.entry(resource.clone()).or_insert_with(|| NeededAcl {
                resource: resource.clone(),
                operations: BTreeSet::new(),
                needed_for: BTreeSet::new(),
            });
            acl.operations.extend(rule.operations);
            acl.needed_for.insert((rule.on, rule.of));
        }
    }
    Ok(needed.into_values().collect())
}

/// The table of [`ACL_RULES`], in Markdown.
#[must_use]
pub fn acl_table() -> String {
    let mut lines = vec!["| for | on | operations |".to_owned(), "|---|---|---|".to_owned()];
    let mut last = None;
    for rule in ACL_RULES {
        let names: Vec<_> = rule.operations.iter().map(|operation| operation.name()).collect();
        let of =
            if last == Some(rule.of) { String::new() } else { format!("`{}`", rule.of.name()) };
        last = Some(rule.of);
        lines.push(format!("| {of} | {} | {} |", rule.on.name(), names.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_the_table_that_acls_are_made_from() {
        let guide = include_str!("../guide/kafka.md");
        let table = acl_table();
        assert!(guide.contains(&table), "put this into src/guide/kafka.md:\n{table}");
    }
}
