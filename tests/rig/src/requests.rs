//! What the rig asks of a cluster beside the description of a group; each is one request.
//!
//! Any broker takes them: those for the controller are forwarded.

use std::io;
use std::net::SocketAddr;

use crate::wire::{Answer, Format, Request};

const TIMEOUT_MS: i32 = 30_000;

/// Where one partition is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Partition {
    pub(crate) number: i32,
    /// -1 for none.
    pub(crate) leader: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync: Vec<i32>,
}

/// Metadata, version 4: the partitions of a topic as this broker knows them; none of a missing one.
pub(crate) fn partitions(broker: SocketAddr, topic: &str) -> io::Result<Vec<Partition>> {
    let mut request = Request::new(3, 4, Format::Fixed);
    request.array(1).string(topic).i8(0);
    let mut answer = request.send(broker)?;
    answer.i32();
    let _brokers = answer.array(|one| (one.i32(), one.string(), one.i32(), one.string()));
    let _cluster = answer.string();
    let _controller = answer.i32();
    let mut topics = answer.array(|answer| {
        let _error = (answer.i16(), answer.string(), answer.i8());
        answer.array(|answer| {
            let _error = answer.i16();
            let (number, leader) = (answer.i32(), answer.i32());
            let replicas = answer.array(Answer::i32);
            Partition { number, leader, replicas, in_sync: answer.array(Answer::i32) }
        })
    });
    let mut partitions = topics.pop().unwrap_or_default();
    partitions.sort_by_key(|partition| partition.number);
    Ok(partitions)
}

/// FindCoordinator, version 1: makes the topics behind groups (0) and transactions (1). Whether the
/// coordinator is there.
pub(crate) fn has_coordinator(broker: SocketAddr, key: &str, kind: i8) -> io::Result<bool> {
    let mut request = Request::new(10, 1, Format::Fixed);
    request.string(key).i8(kind);
    let mut answer = request.send(broker)?;
    answer.i32();
    Ok(answer.i16() == 0)
}

/// AlterPartitionReassignments, version 0.
pub(crate) fn reassign(
    broker: SocketAddr,
    topic: &str,
    partition: i32,
    replicas: &[i32],
) -> io::Result<()> {
    let mut request = Request::new(45, 0, Format::Compact);
    request.i32(TIMEOUT_MS).array(1).string(topic).array(1).i32(partition).array(replicas.len());
    for replica in replicas {
        request.i32(*replica);
    }
    request.tags().tags().tags();
    let mut answer = request.send(broker)?;
    answer.i32();
    refused("reassign a partition", answer.i16(), answer.string())?;
    let topics = answer.array(|answer| {
        let _name = answer.string();
        let partitions = answer.array(|answer| {
            let _number = answer.i32();
            let outcome = (answer.i16(), answer.string());
            answer.tags();
            outcome
        });
        answer.tags();
        partitions
    });
    all("reassign a partition", topics.into_iter().flatten())
}

/// ElectLeaders, version 1: the first replica becomes the leader.
pub(crate) fn elect_preferred(broker: SocketAddr, topic: &str, partition: i32) -> io::Result<()> {
    const ELECTION_NOT_NEEDED: i16 = 84;
    let mut request = Request::new(43, 1, Format::Fixed);
    request.i8(0).array(1).string(topic).array(1).i32(partition).i32(TIMEOUT_MS);
    let mut answer = request.send(broker)?;
    answer.i32();
    refused("elect a leader", answer.i16(), None)?;
    let topics = answer.array(|answer| {
        let _name = answer.string();
        answer.array(|answer| {
            let _number = answer.i32();
            (answer.i16(), answer.string())
        })
    });
    let outcomes = topics.into_iter().flatten();
    all("elect a leader", outcomes.filter(|(error, _)| *error != ELECTION_NOT_NEEDED))
}

/// What settings belong to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Configured<'a> {
    Topic(&'a str),
    /// All brokers.
    Brokers,
    Group(&'a str),
}

/// IncrementalAlterConfigs, version 0. `None` takes a setting back to its default.
pub(crate) fn alter_configs(
    broker: SocketAddr,
    resource: Configured<'_>,
    configs: &[(&str, Option<&str>)],
) -> io::Result<()> {
    let (kind, name) = match resource {
        Configured::Topic(name) => (2, name),
        Configured::Brokers => (4, ""),
        Configured::Group(name) => (32, name),
    };
    let mut request = Request::new(44, 0, Format::Fixed);
    request.array(1).i8(kind).string(name).array(configs.len());
    for (name, value) in configs {
        match value {
            Some(value) => request.string(name).i8(0).string(value),
            None => request.string(name).i8(1).null(),
        };
    }
    request.i8(0);
    let mut answer = request.send(broker)?;
    answer.i32();
    let outcomes = answer.array(|answer| {
        let outcome = (answer.i16(), answer.string());
        let _resource = (answer.i8(), answer.string());
        outcome
    });
    all("alter a setting", outcomes)
}

fn all(what: &str, outcomes: impl IntoIterator<Item = (i16, Option<String>)>) -> io::Result<()> {
    outcomes.into_iter().try_for_each(|(error, message)| refused(what, error, message))
}

pub(crate) fn refused(what: &str, error: i16, message: Option<String>) -> io::Result<()> {
    if error == 0 {
        return Ok(());
    }
    let message = message.unwrap_or_default();
    Err(io::Error::other(format!("cannot {what}: error {error} of Kafka: {message}")))
}
