//! How instances of one service share its topics, measured on processes.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use event_core::broker::{Broker, NewTopic, OutgoingRecord, Producer};
use event_core::delivery::TopicPartition;
use event_core::event::{GroupName, Headers, TopicName};

use crate::cluster::{Cluster, Rig, TIMEOUT};
use crate::journal::now;
use crate::member::{Member, Start};

/// For so long nothing changes before the shares count as settled: longer than instances wait before they
/// level out what they have in all.
const CALM: Duration = Duration::from_secs(18);
/// How long the instances may take to share.
const SHARED_WITHIN: Duration = Duration::from_secs(120);
/// Between two instances that start one after the other.
const STAGGER: Duration = Duration::from_secs(4);

/// The topics of a service.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// As `sharing-member` calls it.
    pub name: &'static str,
    /// The topics with handlers.
    pub topics: &'static [&'static str],
    /// How many partitions each has.
    pub partitions: i32,
    /// Whether each has a topic for retries and one for redriven records.
    pub retried: bool,
}

const fn layout(name: &'static str, topics: &'static [&'static str], partitions: i32) -> Layout {
    Layout { name, topics, partitions, retried: false }
}

const fn retried(name: &'static str, topics: &'static [&'static str], partitions: i32) -> Layout {
    Layout { name, topics, partitions, retried: true }
}

/// All layouts of `sharing-member`.
pub const LAYOUTS: &[Layout] = &[
    layout("two_of_1", &["one_a", "one_b"], 1),
    layout("one_of_3", &["three_a"], 3),
    layout("two_of_3", &["three_a", "three_b"], 3),
    layout("three_of_3", &["three_a", "three_b", "three_c"], 3),
    layout("one_of_6", &["six_a"], 6),
    layout("two_of_6", &["six_a", "six_b"], 6),
    layout("three_of_6", &["six_a", "six_b", "six_c"], 6),
    layout("one_of_12", &["twelve_a"], 12),
    layout("two_of_12", &["twelve_a", "twelve_b"], 12),
    layout("three_of_12", &["twelve_a", "twelve_b", "twelve_c"], 12),
    retried("one_of_3_retried", &["three_ra"], 3),
    retried("two_of_3_retried", &["three_ra", "three_rb"], 3),
    retried("three_of_3_retried", &["three_ra", "three_rb", "three_rc"], 3),
    retried("one_of_6_retried", &["six_ra"], 6),
    retried("two_of_6_retried", &["six_ra", "six_rb"], 6),
    retried("three_of_6_retried", &["six_ra", "six_rb", "six_rc"], 6),
    retried("one_of_12_retried", &["twelve_ra"], 12),
    retried("two_of_12_retried", &["twelve_ra", "twelve_rb"], 12),
    retried("three_of_12_retried", &["twelve_ra", "twelve_rb", "twelve_rc"], 12),
];

/// The layout of this name.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn named(name: &str) -> Layout {
    *LAYOUTS.iter().find(|layout| layout.name == name).expect(name)
}

impl Layout {
    /// Makes its topics on the broker.
    pub async fn make(&self, cluster: &Cluster) {
        let mut new = Vec::new();
        for topic in self.topics {
            new.push((topic.to_string(), self.partitions));
            new.push((format!("{topic}_dlq"), 1));
            if self.retried {
                new.push((format!("{topic}_retry_1m"), self.partitions));
                new.push((format!("{topic}_redrive"), self.partitions));
            }
        }
        let new: Vec<_> = new
            .into_iter()
            .map(|(name, partitions)| {
                let topic = TopicName::parse(&name).unwrap();
                NewTopic { topic, partitions, replication: 1 }
            })
            .collect();
        let made = cluster.broker().create_topics(&new, TIMEOUT).await.unwrap();
        made.into_iter().for_each(|(_, made)| assert!(made.is_ok(), "{made:?}"));
    }

    pub(crate) fn all_partitions(&self) -> Vec<TopicPartition> {
        let of = |topic: &&str| {
            let topic = TopicName::parse(topic).unwrap();
            (0..self.partitions)
                .map(move |partition| TopicPartition { topic: topic.clone(), partition })
        };
        self.topics.iter().flat_map(of).collect()
    }
}

/// How instances are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// All at once.
    Together,
    /// One after the other.
    Staggered,
}

/// What was found: the shares when nothing changes any more.
#[derive(Clone, Debug)]
pub struct Shares {
    layout: Layout,
    /// How many partitions of each topic with handlers each instance has.
    pub of_instances: Vec<Vec<i32>>,
    /// How many of the other topics each has.
    pub of_retries: Vec<usize>,
    /// How long it took since the last instance was started.
    pub after: Duration,
    /// Threads and sockets of the first instance.
    pub threads: usize,
    /// The same.
    pub sockets: usize,
}

impl Shares {
    /// The largest share of a topic, against the ideal rounded up.
    #[must_use]
    pub fn largest(&self) -> f64 {
        let instances = i32::try_from(self.of_instances.len()).unwrap();
        let ideal = (self.layout.partitions + instances - 1) / instances;
        let largest = self.of_instances.iter().flatten().max().unwrap();
        f64::from(*largest) / f64::from(ideal)
    }

    /// How many partitions the instances have in all: the fewest and the most.
    #[must_use]
    pub fn totals(&self) -> (i32, i32) {
        let totals = || self.of_instances.iter().map(|topics| topics.iter().sum::<i32>());
        (totals().min().unwrap(), totals().max().unwrap())
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fewest, most) = self.totals();
        let shares: Vec<_> = self
            .of_instances
            .iter()
            .map(|of| of.iter().map(ToString::to_string).collect::<Vec<_>>().join("+"))
            .collect();
        write!(
            f,
            "largest share {:.2}, totals {fewest} to {most}, shares {}, others {:?}, after {:.1} s, {} threads, {} sockets",
            self.largest(),
            shares.join(" | "),
            self.of_retries,
            self.after.as_secs_f64(),
            self.threads,
            self.sockets
        )
    }
}

/// Starts `count` instances, and looks how they share when nothing changes any more. A handler takes
/// `takes`; records come all the time.
///
/// # Panics
///
/// When the partitions are not shared out in time.
pub async fn share(
    rig: &Rig,
    cluster: &Cluster,
    layout: Layout,
    count: usize,
    starts: Starts,
    takes: Duration,
) -> Shares {
    layout.make(cluster).await;
    let run = now().unsigned_abs();
    let group = format!("sharing_{}_{run}", layout.name);
    let named = GroupName::parse(&group).unwrap();
    let ends = cluster.ends_of(&layout.all_partitions()).await;
    cluster.broker().reset(&named, &ends, TIMEOUT).await.unwrap();
    let load = tokio::spawn(publish(cluster.broker().producer().unwrap(), layout));
    let start = Start {
        variables: vec![
            ("SHARING_LAYOUT", layout.name.to_owned()),
            ("SHARING_TAKES_MS", takes.as_millis().to_string()),
        ],
        group,
        run,
        takes: (0, 0),
        drain: "20s",
    };
    let mut members = Vec::new();
    for number in 0..count {
        if number > 0 && starts == Starts::Staggered {
            tokio::time::sleep(STAGGER).await;
        }
        members.push(Member::start(rig, cluster, &start, &format!("instance-{number}")));
    }
    let began = Instant::now();
    let mut before = Vec::new();
    let mut since = began;
    loop {
        let owned: Vec<_> = members.iter().map(Member::owned).collect();
        let mut all: Vec<_> = owned.iter().flatten().cloned().collect();
        all.sort();
        let complete = layout.all_partitions().iter().all(|one| {
            let name = one.to_string();
            all.iter().filter(|owned| **owned == name).count() == 1
        });
        if owned != before {
            (before, since) = (owned, Instant::now());
        } else if complete && since.elapsed() > CALM {
            break;
        }
        if began.elapsed() > SHARED_WITHIN {
            let logs: Vec<_> = members.iter().map(Member::end_of_log).collect();
            panic!("not shared: {before:#?}\n{}", logs.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let of_topic = |owned: &BTreeSet<String>, topic: &str| {
        let prefix = format!("{topic}/");
        i32::try_from(owned.iter().filter(|name| name.starts_with(&prefix)).count()).unwrap()
    };
    let of_instances: Vec<Vec<i32>> = before
        .iter()
        .map(|owned| layout.topics.iter().map(|topic| of_topic(owned, topic)).collect())
        .collect();
    let of_retries = before
        .iter()
        .zip(&of_instances)
        .map(|(owned, of)| owned.len() - usize::try_from(of.iter().sum::<i32>()).unwrap());
    let shares = Shares {
        layout,
        of_retries: of_retries.collect(),
        of_instances,
        after: since.duration_since(began),
        threads: threads(members[0].pid()),
        sockets: sockets(members[0].pid()),
    };
    load.abort();
    for member in &mut members {
        member.terminate();
    }
    for member in &mut members {
        let _ = member.end(Duration::from_secs(40)).await;
    }
    shares
}

async fn publish(producer: std::sync::Arc<dyn Producer>, layout: Layout) {
    let mut number: u64 = 0;
    loop {
        for one in layout.all_partitions() {
            let record = OutgoingRecord {
                topic: one.topic,
                partition: Some(one.partition),
                key: None,
                value: Some(format!(r#"{{"eventType": "SHARED", "data": {number}}}"#).into()),
                headers: Headers::new(),
                timestamp_ms: None,
            };
            // Refused when the test is over.
            let _ = producer.send(record).await;
            number += 1;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

pub(crate) fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

pub(crate) fn sockets(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}
