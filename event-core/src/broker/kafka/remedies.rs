//! What a person can do about an error of Kafka or librdkafka: one table for all places.
//!
//! `remedies.md` is the same table for readers, part of the documentation of
//! [`broker::kafka`](super); a test compares the two.

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::broker::BrokerError;

/// What an error means, and what to set.
#[derive(Debug)]
pub(super) struct Remedy {
    code: Code,
    meaning: &'static str,
    remedy: &'static str,
}

const fn remedy(code: Code, meaning: &'static str, remedy: &'static str) -> Remedy {
    Remedy { code, meaning, remedy }
}

/// By code. Authorisation, missing topics and connections have errors of their own, which name the
/// resource; what passes by itself is not here.
const REMEDIES: &[Remedy] = &[
    remedy(
        Code::FileSystem,
        "a file that `[kafka]` names cannot be read",
        "check the paths under `[kafka]` and who may read them",
    ),
    remedy(
        Code::InvalidArgument,
        "the client does not take an argument or a setting",
        "check the properties under `[kafka]` against librdkafka's CONFIGURATION.md",
    ),
    remedy(
        Code::QueueFull,
        "a record is larger than the producer's queue",
        "raise `queue.buffering.max.kbytes` and `queue.buffering.max.messages` under `[kafka]`",
    ),
    remedy(
        Code::UnsupportedFeature,
        "the broker is too old for what the client asks",
        "upgrade the broker; `group.protocol` = `consumer` needs Kafka 4.0: set it to `classic`, or leave it out",
    ),
    remedy(
        Code::PollExceeded,
        "the group gave our partitions away, because nothing was polled for `max.poll.interval.ms`",
        "raise `max.poll.interval.ms` under `[kafka]` above `drain`, and give the process more CPU",
    ),
    remedy(
        Code::NotConfigured,
        "this build of librdkafka does not have what the settings ask for",
        "build event-core with the feature `tls` or `tls-vendored`, or remove the property",
    ),
    remedy(
        Code::Fenced,
        "another producer or member with the same id took over",
        "give each process an id of its own: `group_instance_id` (EVENT_GROUP_INSTANCE_ID) and `transactional.id`",
    ),
    remedy(
        Code::AutoOffsetReset,
        "the group has no valid offset for a partition",
        "choose one with the command `seek`",
    ),
    remedy(
        Code::LogTruncation,
        "the log of a partition was truncated below what the group had read",
        "choose where to go on with the command `seek`; set `unclean.leader.election.enable` = `false` on the topic",
    ),
    remedy(
        Code::OffsetOutOfRange,
        "the group's offset is not in the log any more: its records were removed",
        "raise `retention.ms` or `retention.bytes` of the topic, or choose where to go on with the command `seek`",
    ),
    remedy(
        Code::InvalidMessage,
        "the broker does not take the record: damaged on the way, or without a key on a compacted topic",
        "give each record of a compacted topic (`cleanup.policy`) a key",
    ),
    remedy(
        Code::InvalidMessageSize,
        "the broker does not take a record of this size",
        "raise `max.message.bytes` of the topic, or send less",
    ),
    remedy(
        Code::BrokerNotAvailable,
        "the broker has no part in the cluster at the moment, or is a controller",
        "check that the broker runs and that `brokers` (EVENT_BROKERS) is not a controller's address",
    ),
    remedy(
        Code::MessageSizeTooLarge,
        "the record is over the limit of the topic or the client",
        "raise `max.message.bytes` of the topic and `message.max.bytes` under `[kafka]`, or send less",
    ),
    remedy(
        Code::OffsetMetadataTooLarge,
        "the metadata of a commit is longer than the broker takes",
        "set `max_metadata_bytes` (EVENT_MAX_METADATA_BYTES) to the broker's `offset.metadata.max.bytes`",
    ),
    remedy(
        Code::CoordinatorNotAvailable,
        "the broker has no coordinator for the group: `__consumer_offsets` cannot be created or has no leader",
        "check that enough brokers run for `offsets.topic.replication.factor`, and that the controllers have a quorum",
    ),
    remedy(
        Code::InvalidTopic,
        "Kafka does not take the name of the topic",
        "use 1 to 249 letters, digits, `.`, `_` and `-`; nobody writes to Kafka's own topics such as `__consumer_offsets`",
    ),
    remedy(
        Code::MessageBatchTooLarge,
        "a batch of records is larger than a segment of the topic",
        "lower `batch.size` under `[kafka]`, or raise `segment.bytes` of the topic",
    ),
    remedy(
        Code::NotEnoughReplicas,
        "fewer replicas are in sync than the topic's `min.insync.replicas`",
        "start the brokers that are down, or lower `min.insync.replicas` of the topic below its replication factor",
    ),
    remedy(
        Code::NotEnoughReplicasAfterAppend,
        "fewer replicas were in sync after the write than the topic's `min.insync.replicas`",
        "start the brokers that are down, or lower `min.insync.replicas` of the topic below its replication factor",
    ),
    remedy(
        Code::InvalidRequiredAcks,
        "the broker does not take the producer's `acks`",
        "use a broker or a proxy that takes `acks=all`",
    ),
    remedy(
        Code::InconsistentGroupProtocol,
        "the other members of the group share partitions by another assignor",
        "set `partition.assignment.strategy` under `[kafka]` to what they use, for Python and Node clients `range,roundrobin`; once every member is one of ours, remove it and restart them all",
    ),
    remedy(
        Code::InvalidGroupId,
        "the broker does not take the name of the group",
        "set another `group` (EVENT_GROUP)",
    ),
    remedy(
        Code::UnknownMemberId,
        "the group ended our membership: its session was over, or somebody removed the member",
        "it joins again by itself; when it repeats, raise `session.timeout.ms` and `max.poll.interval.ms` under `[kafka]`, and look for pauses of the process (CPU limits, swapping)",
    ),
    remedy(
        Code::InvalidSessionTimeout,
        "the broker does not take the client's `session.timeout.ms`",
        "set `session.timeout.ms` under `[kafka]` between the broker's `group.min.session.timeout.ms` and `group.max.session.timeout.ms`",
    ),
    remedy(
        Code::InvalidCommitOffsetSize,
        "a commit is larger than the broker takes",
        "lower `max_metadata_bytes` (EVENT_MAX_METADATA_BYTES)",
    ),
    remedy(
        Code::InvalidTimestamp,
        "the time of the record is too far from the broker's",
        "check the clocks, or raise `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms` of the topic",
    ),
    remedy(
        Code::UnsupportedVersion,
        "the broker is too old for the request, or has the feature switched off",
        "upgrade the broker, or switch the feature on (`kafka-features.sh`); with `group.protocol` = `consumer` set it to `classic`, or leave it out",
    ),
    remedy(
        Code::InvalidPartitions,
        "the broker does not take this number of partitions",
        "give the topic at least one partition, and never fewer than it has",
    ),
    remedy(
        Code::InvalidReplicationFactor,
        "the cluster has fewer brokers than the topic is to have replicas",
        "lower `--replication`, or `default.replication.factor` of the brokers, or start more brokers",
    ),
    remedy(
        Code::InvalidReplicaAssignment,
        "the brokers that the replicas are assigned to are not there",
        "leave the assignment to the cluster",
    ),
    remedy(
        Code::InvalidConfig,
        "the broker does not take a setting of the topic",
        "correct the setting, see the log of the broker",
    ),
    remedy(
        Code::InvalidRequest,
        "the broker does not take the request",
        "see the log of the broker; a proxy in between may be older than the client",
    ),
    remedy(
        Code::UnsupportedForMessageFormat,
        "the topic keeps an old message format, which has no headers and no idempotence",
        "remove `log.message.format.version` from the broker and `message.format.version` from the topic",
    ),
    remedy(
        Code::PolicyViolation,
        "the cluster forbids it: a policy (`create.topic.policy.class.name`), or more than 10000 partitions in one request",
        "ask for fewer partitions or for what the policy allows, or let whoever runs the cluster make the topic",
    ),
    remedy(
        Code::InvalidTransactionTimeout,
        "`transaction.timeout.ms` is over the broker's `transaction.max.timeout.ms`",
        "lower `transaction.timeout.ms` under `[kafka]`",
    ),
    remedy(
        Code::SecurityDisabled,
        "the broker has no authorizer",
        "set `authorizer.class.name` on the brokers, or do without ACLs",
    ),
    remedy(
        Code::KafkaStorageError,
        "the broker cannot use the disk of the partition",
        "check the disk and the log of the broker",
    ),
    remedy(
        Code::ReassignmentInProgress,
        "the partitions of the topic are being moved",
        "wait until `kafka-reassign-partitions.sh --list` shows none",
    ),
    remedy(
        Code::DelegationTokenExpired,
        "the delegation token is over",
        "make a new one: `kafka-delegation-tokens.sh --create`",
    ),
    remedy(
        Code::ListenerNotFound,
        "the leader of the partition has no listener of the name that the client uses",
        "give all brokers the same listeners (`advertised.listeners`)",
    ),
    remedy(
        Code::TopicDeletionDisabled,
        "the broker deletes no topics",
        "set `delete.topic.enable` = `true` on the brokers",
    ),
    remedy(
        Code::UnsupportedCompressionType,
        "the topic's format does not have the producer's compression",
        "set another `compression.type` under `[kafka]`",
    ),
    remedy(
        Code::GroupMaxSizeReached,
        "the group has as many members as the broker allows",
        "raise `group.max.size` (`group.consumer.max.size` with `group.protocol` = `consumer`) on the brokers, or run fewer instances, or lower `max_members` (EVENT_MAX_MEMBERS): an instance is a member for each topic that has several partitions, one for those with one partition, and one for retries and redrives",
    ),
    remedy(
        Code::FencedInstanceId,
        "another process joined the group with the same `group_instance_id`",
        "give each process one of its own (EVENT_GROUP_INSTANCE_ID), such as the name of the pod",
    ),
    remedy(
        Code::InvalidRecord,
        "the broker does not take a record: on a compacted topic each needs a key",
        "give the record a key, or change `cleanup.policy` of the topic",
    ),
    remedy(
        Code::UnstableOffsetCommit,
        "a transaction that commits offsets of the group is still open",
        "wait for its end, at most its `transaction.timeout.ms`",
    ),
    remedy(
        Code::ThrottlingQuotaExceeded,
        "the client is over a quota",
        "wait, or raise the quota: `kafka-configs.sh --alter --add-config controller_mutation_rate=..`",
    ),
    remedy(
        Code::ProducerFenced,
        "another producer with the same `transactional.id` took over",
        "give each process one of its own",
    ),
    remedy(
        Code::FencedMemberEpoch,
        "the group ended our membership: its session was over",
        "it joins again by itself; when it repeats, raise the broker's `group.consumer.session.timeout.ms`, and look for pauses of the process (CPU limits, swapping)",
    ),
    remedy(
        Code::UnreleasedInstanceId,
        "the member that had this `group_instance_id` did not leave, and its session is not over",
        "wait for the end of its session (the broker's `group.consumer.session.timeout.ms`, 45 s by default); when another process has the id, give each one of its own (EVENT_GROUP_INSTANCE_ID)",
    ),
    remedy(
        Code::UnsupportedAssignor,
        "the broker does not have the assignor, or the other members use one that differs",
        "set `group.remote.assignor` under `[kafka]` to `uniform` or `range`, the same for each member",
    ),
];

impl Remedy {
    /// What can be done about `code`, if a person can do anything.
    pub(super) fn of(code: Code) -> Option<&'static Remedy> {
        REMEDIES.iter().find(|remedy| remedy.code == code)
    }

    /// Both sentences in one.
    pub(super) fn text(&self) -> String {
        let Remedy { code, meaning, remedy } = self;
        format!("{meaning} ({code:?}); {remedy}")
    }
}

/// The error for what failed with `code`; `what` is the beginning of the sentence.
pub(super) fn of_code(what: &str, code: Code) -> BrokerError {
    match Remedy::of(code) {
        Some(Remedy { meaning, remedy, .. }) => BrokerError::Fixable {
            reason: format!("{what}: {meaning} ({code:?})"),
            remedy: (*remedy).to_owned(),
        },
        None => BrokerError::Other(format!("{what}: {code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> String {
        let head = "| error | what it means | what to do |\n|---|---|---|\n".to_owned();
        REMEDIES.iter().fold(head, |table, Remedy { code, meaning, remedy }| {
            format!("{table}| {code:?} ({}) | {meaning} | {remedy} |\n", *code as i32)
        })
    }

    #[test]
    fn the_table_in_the_documentation_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/broker/kafka/remedies.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, table()).unwrap();
        }
        assert_eq!(include_str!("remedies.md"), table(), "run the test with UPDATE_DOCS=1");
    }

    #[test]
    fn each_error_has_one_remedy_and_names_what_to_set() {
        for (index, Remedy { code, meaning, remedy }) in REMEDIES.iter().enumerate() {
            assert!(REMEDIES[..index].iter().all(|other| other.code != *code), "{code:?}");
            assert!(!meaning.ends_with('.') && !remedy.ends_with('.'), "{code:?}");
        }
    }

    /// One line for each error that a person can fix: what the remedy has to name.
    #[test]
    fn each_error_that_a_person_can_fix_says_what_to_set() {
        for (code, named) in [
            (Code::InconsistentGroupProtocol, "`range,roundrobin`"),
            (Code::UnknownMemberId, "`session.timeout.ms`"),
            (Code::FencedInstanceId, "EVENT_GROUP_INSTANCE_ID"),
            (Code::UnreleasedInstanceId, "`group.consumer.session.timeout.ms`"),
            (Code::UnsupportedVersion, "`group.protocol` = `consumer`"),
            (Code::UnsupportedFeature, "`group.protocol` = `consumer`"),
            (Code::UnsupportedForMessageFormat, "`message.format.version`"),
            (Code::UnsupportedAssignor, "`group.remote.assignor`"),
            (Code::MessageSizeTooLarge, "`max.message.bytes`"),
            (Code::InvalidSessionTimeout, "`group.max.session.timeout.ms`"),
            (Code::GroupMaxSizeReached, "`group.max.size`"),
            (Code::GroupMaxSizeReached, "`max_members` (EVENT_MAX_MEMBERS)"),
            (Code::BrokerNotAvailable, "a controller's address"),
            (Code::NotEnoughReplicas, "`min.insync.replicas`"),
            (Code::NotEnoughReplicasAfterAppend, "`min.insync.replicas`"),
            (Code::PolicyViolation, "make the topic"),
            (Code::PolicyViolation, "fewer partitions"),
            (Code::InvalidReplicationFactor, "`default.replication.factor`"),
            (Code::InvalidTopic, "1 to 249 letters"),
            (Code::OffsetOutOfRange, "`retention.ms`"),
            (Code::InvalidRequiredAcks, "`acks=all`"),
            (Code::OffsetMetadataTooLarge, "EVENT_MAX_METADATA_BYTES"),
            (Code::InvalidRecord, "a key"),
            (Code::InvalidTransactionTimeout, "`transaction.timeout.ms`"),
            (Code::ThrottlingQuotaExceeded, "quota"),
        ] {
            let error = of_code("joining group `g`", code);
            assert!(error.is_retriable(), "{code:?}");
            assert!(error.remedy().is_some_and(|text| text.contains(named)), "{code:?}: {error}");
            assert!(error.reason().starts_with("joining group `g`: "), "{error}");
            assert!(error.to_string().contains(&format!("({code:?})")), "{error}");
        }
        assert!(matches!(of_code("asking", Code::NotController), BrokerError::Other(_)));
    }
}
