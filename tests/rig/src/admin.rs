//! What an administrator does to a cluster, and sees of it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::cluster::{Kafka, until};
use crate::group::{self, GroupDescription};
use crate::requests::{self, Configured, Partition};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Topics, leaders, settings and groups.
impl Kafka {
    /// Makes a topic with a replica on every node; it is usable when this returns.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let replication = i32::try_from(self.nodes()).unwrap_or(1);
        self.create_topic_with(name, partitions, replication, &[]);
    }

    /// Makes a topic with settings of its own, `[("min.insync.replicas", "2")]`, say.
    pub fn create_topic_with(
        &self,
        name: &str,
        partitions: i32,
        replication: i32,
        configs: &[(&str, &str)],
    ) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        for (name, value) in configs {
            topic = topic.set(name, value);
        }
        let made = block_on(self.admin().create_topics(&[topic], &options()));
        let made = made.unwrap_or_else(|error| panic!("cannot make topic {name}: {error}"));
        made.into_iter().for_each(|one| drop(one.unwrap_or_else(|error| panic!("{error:?}"))));
        self.await_partitions(name, partitions);
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) {
        let gone = block_on(self.admin().delete_topics(&[name], &options()));
        let gone = gone.unwrap_or_else(|error| panic!("cannot delete topic {name}: {error}"));
        gone.into_iter().for_each(|one| drop(one.unwrap_or_else(|error| panic!("{error:?}"))));
    }

    /// Gives a topic more partitions: `partitions` in all.
    pub fn add_partitions(&self, name: &str, partitions: i32) {
        let count = usize::try_from(partitions).unwrap_or(0);
        let more = NewPartitions::new(name, count);
        let made = block_on(self.admin().create_partitions(&[more], &options()));
        let made = made.unwrap_or_else(|error| panic!("cannot add partitions to {name}: {error}"));
        made.into_iter().for_each(|one| drop(one.unwrap_or_else(|error| panic!("{error:?}"))));
        self.await_partitions(name, partitions);
    }

    /// Until every running node knows the topic with its leaders.
    fn await_partitions(&self, topic: &str, partitions: i32) {
        let count = usize::try_from(partitions).unwrap_or(0);
        let known = until(|| {
            self.running().into_iter().all(|node| {
                let found = requests::partitions(node, topic).unwrap_or_default();
                found.len() == count && found.iter().all(|partition| partition.leader >= 0)
            })
        });
        assert!(known, "topic {topic} has no {partitions} partitions with a leader");
    }

    /// Sets settings of a topic; `None` takes one back to its default.
    pub fn alter_topic(&self, name: &str, configs: &[(&str, Option<&str>)]) {
        self.alter(Configured::Topic(name), configs);
    }

    /// Sets settings of all brokers while they run, as far as Kafka allows it.
    pub fn alter_brokers(&self, configs: &[(&str, Option<&str>)]) {
        self.alter(Configured::Brokers, configs);
    }

    /// Sets settings of a group with `group.protocol=consumer`: `consumer.session.timeout.ms`,
    /// `consumer.heartbeat.interval.ms`. From Kafka 4.0 on.
    pub fn alter_group(&self, name: &str, configs: &[(&str, Option<&str>)]) {
        self.alter(Configured::Group(name), configs);
    }

    fn alter(&self, resource: Configured<'_>, configs: &[(&str, Option<&str>)]) {
        let altered = requests::alter_configs(self.any(), resource, configs);
        altered.unwrap_or_else(|error| panic!("{resource:?}: {error}"));
    }

    /// Removes the records of a partition below an offset; all with -1.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut offsets = TopicPartitionList::new();
        let before = if before < 0 { Offset::End } else { Offset::Offset(before) };
        offsets.add_partition_offset(topic, partition, before).unwrap();
        let deleted = block_on(self.admin().delete_records(&offsets, &options()));
        let deleted = deleted.unwrap_or_else(|error| panic!("cannot delete records: {error}"));
        for one in deleted.elements() {
            one.error().unwrap_or_else(|error| panic!("{topic}/{partition}: {error}"));
        }
    }

    /// Where a partition begins and ends: the offsets of its first record and behind its last.
    #[must_use]
    pub fn offsets(&self, topic: &str, partition: i32) -> (i64, i64) {
        let mut offsets = None;
        // A new leader does not know the end at once.
        until(|| {
            let found = self.admin().inner().fetch_watermarks(topic, partition, TIMEOUT);
            let is_final = !matches!(
                found.as_ref().map_err(KafkaError::rdkafka_error_code),
                Err(Some(
                    RDKafkaErrorCode::OffsetNotAvailable
                        | RDKafkaErrorCode::NotLeaderForPartition
                        | RDKafkaErrorCode::LeaderNotAvailable
                ))
            );
            offsets = Some(found);
            is_final
        });
        offsets.unwrap().unwrap_or_else(|error| panic!("{topic}/{partition}: {error}"))
    }

    /// The offset behind the last record of a partition.
    #[must_use]
    pub fn end_offset(&self, topic: &str, partition: i32) -> i64 {
        self.offsets(topic, partition).1
    }

    /// The node that leads a partition; `None` while there is none.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<usize> {
        usize::try_from(self.partition(topic, partition).leader).ok()
    }

    /// The nodes whose replica of a partition is in sync, in order.
    #[must_use]
    pub fn in_sync(&self, topic: &str, partition: i32) -> Vec<usize> {
        let in_sync = self.partition(topic, partition).in_sync.into_iter();
        let mut nodes: Vec<usize> = in_sync.filter_map(|node| usize::try_from(node).ok()).collect();
        nodes.sort_unstable();
        nodes
    }

    /// Makes `node` the leader of a partition, and gives it a replica when it has none; waits until
    /// every running node knows it.
    pub fn move_leader(&self, topic: &str, partition: i32, node: usize) {
        let id = i32::try_from(node).unwrap_or(-1);
        let mut replicas = self.partition(topic, partition).replicas;
        let taken = replicas.iter().position(|replica| *replica == id).unwrap_or(0);
        replicas.remove(taken);
        replicas.insert(0, id);
        let reassigned = requests::reassign(self.any(), topic, partition, &replicas);
        reassigned.unwrap_or_else(|error| panic!("{topic}/{partition}: {error}"));
        let in_sync = until(|| self.in_sync(topic, partition).contains(&node));
        assert!(in_sync, "{topic}/{partition} is not in sync on node {node}");
        let elected = requests::elect_preferred(self.any(), topic, partition);
        elected.unwrap_or_else(|error| panic!("{topic}/{partition}: {error}"));
        let leads = until(|| {
            self.running().into_iter().all(|asked| {
                let found = requests::partitions(asked, topic).unwrap_or_default();
                found.iter().any(|one| one.number == partition && one.leader == id)
            })
        });
        assert!(leads, "node {node} does not lead {topic}/{partition}");
    }

    fn partition(&self, topic: &str, partition: i32) -> Partition {
        let partitions = requests::partitions(self.any(), topic);
        let partitions = partitions.unwrap_or_else(|error| panic!("{topic}: {error}"));
        let found = partitions.into_iter().find(|one| one.number == partition);
        found.unwrap_or_else(|| panic!("there is no partition {topic}/{partition}"))
    }

    /// What the coordinator of a group knows about it, with both group protocols. Takes
    /// milliseconds, so that a test may look until something holds.
    #[must_use]
    pub fn describe_group(&self, group: &str) -> GroupDescription {
        let mut described = None;
        let mut last = None;
        let known = until(|| {
            for node in self.running() {
                match group::describe(node, group) {
                    Ok(Some(found)) => described = Some(found),
                    Ok(None) => {}
                    Err(error) => last = Some(error),
                }
            }
            described.is_some()
        });
        assert!(known, "no node coordinates the group {group}; last error: {last:?}");
        described.unwrap()
    }

    /// Looks at a group until `condition` holds, for a minute at most, and gives what it then is.
    #[track_caller]
    pub fn await_group(
        &self,
        group: &str,
        condition: impl Fn(&GroupDescription) -> bool,
    ) -> GroupDescription {
        let mut seen = self.describe_group(group);
        let is_over = until(|| {
            seen = self.describe_group(group);
            condition(&seen)
        });
        assert!(is_over, "the group {group} is still {seen:#?}");
        seen
    }

    pub(crate) fn any(&self) -> std::net::SocketAddr {
        self.running().first().copied().unwrap_or_else(|| panic!("no node runs"))
    }

    /// A client for one use: it has nothing to forget after a fault.
    fn admin(&self) -> AdminClient<DefaultClientContext> {
        let running: Vec<String> = self.running().iter().map(ToString::to_string).collect();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", running.join(",")).set("client.id", "kafka-rig");
        config.create().unwrap_or_else(|error| panic!("no admin client: {error}"))
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT))
}

/// Waits for a future without a runtime, so that a runtime may be around it.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => park(),
        }
    }
}
