//! The broker that the members meet at: an embedded one in a process of its own, or a real Kafka.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use event_core::broker::kafka::{KafkaBroker, KafkaSettings};
use event_core::broker::{Broker, BrokerError, NewTopic};
use event_core::delivery::{NextOffset, TopicPartition};
use event_core::event::{GroupName, TopicName};
use kafka_rig::Kafka;

use crate::events::{HANDLED, PARTITIONS, TOPICS};

/// After this a silent member is dead for the group: on the embedded broker.
pub const EMBEDDED_SESSION: Duration = Duration::from_secs(3);
/// The same on a real Kafka: members say so with the classic protocol, and the broker that the tests
/// start with the new one.
pub const KAFKA_SESSION: Duration = Duration::from_secs(6);
/// How often members say something: the clock of every change of the group.
pub const HEARTBEAT: Duration = Duration::from_millis(500);
/// For what has to happen.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// How long the embedded broker refuses connections.
const REFUSES: Duration = Duration::from_secs(3);

/// The binaries of this package, and a folder for what they write.
#[derive(Clone, Copy, Debug)]
pub struct Rig {
    /// `ledger-member`.
    pub member: &'static str,
    /// `embedded-broker`.
    pub broker: &'static str,
    /// A folder.
    pub folder: &'static str,
}

/// A broker.
pub struct Cluster {
    /// Where it is.
    pub address: String,
    /// What its line of the table says.
    pub name: String,
    kind: Kind,
    /// Whether members use the product's own session and heartbeat.
    defaults: bool,
}

enum Kind {
    Embedded {
        process: Child,
        orders: ChildStdin,
        answers: BufReader<ChildStdout>,
    },
    /// `ours` is the broker if the tests started it.
    Kafka {
        protocol: String,
        ours: Option<&'static Kafka>,
    },
}

impl Cluster {
    /// Starts an embedded broker.
    #[must_use]
    pub fn embedded(rig: &Rig) -> Cluster {
        let mut process = Command::new(rig.broker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the embedded broker starts");
        let orders = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let mut address = String::new();
        answers.read_line(&mut address).unwrap();
        Cluster {
            address: address.trim().to_owned(),
            name: "embedded, consumer".to_owned(),
            kind: Kind::Embedded { process, orders, answers },
            defaults: false,
        }
    }

    /// A Kafka that the tests of this binary share, or that of `KAFKA_TEST_BROKERS`; with the
    /// protocol of `KAFKA_TEST_GROUP_PROTOCOL`.
    pub async fn kafka() -> Cluster {
        let protocol = std::env::var("KAFKA_TEST_GROUP_PROTOCOL");
        let protocol = protocol.ok().filter(|name| !name.is_empty());
        Cluster::kafka_with(protocol.as_deref().unwrap_or("classic")).await
    }

    /// The same, with this protocol.
    pub async fn kafka_with(protocol: &str) -> Cluster {
        let started = || (Kafka::test_brokers(), Kafka::shared_if_started());
        let (address, ours) = tokio::task::spawn_blocking(started).await.unwrap();
        let name = format!("Kafka, {protocol}");
        let kind = Kind::Kafka { protocol: protocol.to_owned(), ours };
        let cluster = Cluster { address, name, kind, defaults: false };
        let topics = TOPICS.map(|(topic, partitions)| NewTopic {
            topic: TopicName::from_static(topic),
            partitions,
            replication: 1,
        });
        let made = cluster.broker().create_topics(&topics, TIMEOUT).await.unwrap();
        made.into_iter().for_each(|(_, made)| assert!(made.is_ok(), "{made:?}"));
        cluster
    }

    /// Members use the session and the heartbeat that the product has by default: with the classic
    /// protocol those of the product, with the new one those of the broker.
    #[must_use]
    pub fn with_default_timeouts(mut self) -> Cluster {
        self.defaults = true;
        self
    }

    /// Whether members use the product's own session and heartbeat.
    #[must_use]
    pub fn has_default_timeouts(&self) -> bool {
        self.defaults
    }

    /// The broker, if the tests have started it.
    #[must_use]
    pub fn ours(&self) -> Option<&'static Kafka> {
        match self.kind {
            Kind::Kafka { ours, .. } => ours,
            Kind::Embedded { .. } => None,
        }
    }

    /// Whether the broker itself can be killed and started again on its data.
    #[must_use]
    pub fn can_restart(&self) -> bool {
        matches!(self.kind, Kind::Kafka { ours: Some(_), .. })
    }

    /// Kills the broker and starts it again on its data. The embedded one keeps its data nowhere
    /// else, so it refuses connections for a while.
    pub async fn fail(&mut self) {
        match &mut self.kind {
            Kind::Embedded { orders, answers, .. } => {
                order(orders, answers, "down");
                tokio::time::sleep(REFUSES).await;
                order(orders, answers, "up");
            }
            Kind::Kafka { ours, .. } => {
                let kafka = ours.expect("a broker that the tests started");
                tokio::task::spawn_blocking(|| kafka.restart(1)).await.unwrap();
            }
        }
    }

    /// What the fault of the broker is called.
    #[must_use]
    pub fn failure(&self) -> &'static str {
        match self.kind {
            Kind::Embedded { .. } => "refused connections",
            Kind::Kafka { .. } => "killed and restarted",
        }
    }

    /// What a member has to know, as variables.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("EVENT_BROKERS", self.address.clone())];
        match &self.kind {
            Kind::Kafka { protocol, .. } if protocol != "consumer" && self.defaults => {}
            Kind::Kafka { protocol, .. } if protocol != "consumer" => variables.extend([
                ("EVENT_KAFKA_SESSION_TIMEOUT_MS", KAFKA_SESSION.as_millis().to_string()),
                ("EVENT_KAFKA_HEARTBEAT_INTERVAL_MS", HEARTBEAT.as_millis().to_string()),
            ]),
            _ => variables.push(("EVENT_KAFKA_GROUP_PROTOCOL", "consumer".to_owned())),
        }
        if let Kind::Embedded { .. } = self.kind {
            // It answers a fetch without records after this, also when records come meanwhile.
            variables.push(("EVENT_KAFKA_FETCH_WAIT_MAX_MS", "10".to_owned()));
            // Its groups leave partitions to nobody when members with different topics come back after it was
            // away; those of Kafka do not.
            variables.push(("EVENT_MAX_MEMBERS", "1".to_owned()));
        }
        variables
    }

    /// A way to it.
    #[must_use]
    pub fn broker(&self) -> KafkaBroker {
        let settings = KafkaSettings {
            brokers: self.address.clone(),
            client_id: "driver".to_owned(),
            properties: Vec::new(),
        };
        KafkaBroker::connect(settings).unwrap()
    }

    /// Where the partitions that handlers listen to end.
    pub async fn ends(&self) -> Vec<(TopicPartition, NextOffset)> {
        self.ends_of(&partitions()).await
    }

    /// Where partitions end, of topics that may just have been made.
    pub async fn ends_of(
        &self,
        partitions: &[TopicPartition],
    ) -> Vec<(TopicPartition, NextOffset)> {
        let begin = Instant::now();
        let ends = loop {
            let watermarks = self.broker().watermarks(partitions, TIMEOUT).await.unwrap();
            match watermarks.into_iter().collect::<Result<Vec<_>, _>>() {
                // A busy broker shows a topic that it has just made a moment later.
                Err(BrokerError::UnknownTopic(_)) if begin.elapsed() < TIMEOUT => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                ends => break ends.unwrap(),
            }
        };
        ends.into_iter().map(|one| (one.partition, one.end)).collect()
    }

    /// Lets a new group begin at the end of what other tests left.
    pub async fn begin_at_the_end(&self, group: &GroupName) {
        if let Kind::Kafka { .. } = self.kind {
            self.broker().reset(group, &self.ends().await, TIMEOUT).await.unwrap();
        }
    }

    /// How many records the group has not settled.
    pub async fn lag(&self, group: &GroupName) -> i64 {
        let committed = self.broker().committed(group, &partitions(), TIMEOUT).await.unwrap();
        let ends = self.ends().await;
        let lags = ends.into_iter().map(|(partition, end)| {
            let committed = committed.iter().find(|one| one.partition == partition);
            let next = committed.and_then(|one| one.next).map_or(0, |next| next.0);
            // What is committed beyond the end is found by what it loses.
            (end.0 - next).max(0)
        });
        lags.sum()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Kind::Embedded { process, .. } = &mut self.kind {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn order(orders: &mut ChildStdin, answers: &mut BufReader<ChildStdout>, word: &str) {
    writeln!(orders, "{word}").unwrap();
    let mut answer = String::new();
    answers.read_line(&mut answer).unwrap();
    assert_eq!(answer, "done\n");
}

fn partitions() -> Vec<TopicPartition> {
    let of = |topic| {
        (0..PARTITIONS).map(move |partition| TopicPartition {
            topic: TopicName::from_static(topic),
            partition,
        })
    };
    HANDLED.into_iter().flat_map(of).collect()
}
