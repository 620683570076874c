//! The JSON that is answered. Its names are what tools rely on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::answer::PATHS;
use crate::observe::{GroupStatus, Health, HealthProblem};
use crate::processor::{Control, Paused};

/// The answer to a question about health.
#[derive(Debug, Serialize)]
pub(super) struct HealthShape {
    /// `UP` or `DOWN`, of what was asked for.
    status: &'static str,
    live: bool,
    ready: bool,
    problems: Vec<ProblemShape>,
    groups: Vec<GroupShape>,
    paused: PausedShape,
    /// How many events of each name nobody handled.
    unknown_events: BTreeMap<String, u64>,
    /// How many fields of each topic, event and kind could not be read and counted as absent.
    ignored_fields: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct ProblemShape {
    code: &'static str,
    /// Null when it is of the whole service.
    group: Option<String>,
    message: String,
    /// What it ends: `live`, `ready`, both or nothing.
    ends: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct GroupShape {
    group: String,
    /// What brokers, and `lag`, call this instance.
    client_id: Option<String>,
    /// Null while it is not known of every partition.
    lag: Option<u64>,
    /// Null when nothing was since the start.
    last_settled_seconds_ago: Option<u64>,
    paused_handlers: Vec<String>,
    partitions: Vec<PartitionShape>,
}

#[derive(Debug, Serialize)]
struct PartitionShape {
    topic: String,
    partition: i32,
    lag: Option<u64>,
}

/// What a person has paused.
#[derive(Debug, Serialize)]
pub(super) struct PausedShape {
    handlers: BTreeSet<String>,
    topics: BTreeSet<String>,
}

/// Why a request was refused, and what there is.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    error: String,
    paths: BTreeMap<String, &'static str>,
}

impl HealthShape {
    pub(super) fn new(is_up: bool, health: &Health, control: &Control) -> Self {
        let problems = health.problems();
        HealthShape {
            status: if is_up { "UP" } else { "DOWN" },
            live: !problems.iter().any(HealthProblem::ends_liveness),
            ready: !problems.iter().any(HealthProblem::ends_readiness),
            problems: problems.iter().map(ProblemShape::from).collect(),
            groups: health.groups().into_iter().map(GroupShape::from).collect(),
            paused: control.paused().into(),
            unknown_events: health.unknown_events().counts(),
            ignored_fields: {
                let counts = health.ignored_fields().counts().into_iter();
                counts.map(|(kind, count)| (kind.to_string(), count)).collect()
            },
        }
    }
}

impl From<&HealthProblem> for ProblemShape {
    fn from(problem: &HealthProblem) -> Self {
        let ends = [("live", problem.ends_liveness()), ("ready", problem.ends_readiness())];
        ProblemShape {
            code: problem.code(),
            group: problem.group().map(ToString::to_string),
            message: problem.to_string(),
            ends: ends.into_iter().filter_map(|(what, ends)| ends.then_some(what)).collect(),
        }
    }
}

impl From<GroupStatus> for GroupShape {
    fn from(status: GroupStatus) -> Self {
        GroupShape {
            group: status.group.to_string(),
            lag: status.lag(),
            client_id: status.client_id,
            last_settled_seconds_ago: status.last_settled.map(|ago| ago.as_secs()),
            paused_handlers: status.paused,
            partitions: status
                .partitions
                .into_iter()
                .map(|one| PartitionShape {
                    topic: one.partition.topic.to_string(),
                    partition: one.partition.partition,
                    lag: one.lag,
                })
                .collect(),
        }
    }
}

impl From<Paused> for PausedShape {
    fn from(Paused { handlers, topics }: Paused) -> Self {
        PausedShape { handlers, topics }
    }
}

impl Refusal {
    pub(super) fn new(error: String) -> Self {
        let paths = PATHS.iter().map(|(method, path, what)| (format!("{method} {path}"), *what));
        Refusal { error, paths: paths.collect() }
    }
}
