//! Who gets a dead letter that is redriven.

use std::collections::BTreeSet;

use super::{DeadLetter, RedriveSkipReason};
use crate::broker::{Broker, BrokerError};
use crate::delivery::TopicPartition;
use crate::event::{GroupName, TopicName, excerpt};
use crate::handler::HandlerRegistration;
use crate::operations::dry_run::route_of;
use crate::operations::offset_spec::all_partitions;
use crate::operations::{GroupTopics, OperationError, OwnedRecord, TIMEOUT, groups_of};
use crate::processor::UNKNOWN_EVENT;
use crate::router::EventRouter;

/// The handlers of a service that dead letters can be redriven to, each in its group.
pub struct RedriveTargets {
    groups: Vec<(GroupTopics, EventRouter)>,
    /// The service's group, which may have no handler left.
    own: GroupName,
    other: Option<OtherGroup>,
}

// A group that is one of the service by its positions only.
struct OtherGroup {
    group: GroupName,
    service: String,
}

/// The handler that gets a record, and the group in which it runs.
#[derive(Clone, Debug)]
pub(super) struct RedriveTarget {
    pub(super) group: GroupName,
    pub(super) handler: &'static HandlerRegistration,
}

impl RedriveTargets {
    /// `handlers` in the groups that they name, or else in `service`.
    #[must_use]
    pub fn new(handlers: &[&'static HandlerRegistration], service: &GroupName) -> Self {
        let groups = groups_of(handlers, service).into_iter();
        let groups = groups.map(|group| {
            let router = EventRouter::new(&group.handlers);
            (group, router)
        });
        RedriveTargets { groups: groups.collect(), own: service.clone(), other: None }
    }

    /// The same where letters of the group `named` are meant. A group that is not the service's and
    /// that no handler names is either the one in which the service runs, as in `run --group`, or one
    /// that its handlers left. Only the committed offsets show it: the one without any is not read. Where both
    /// have some, or none has, its letters are left as they are.
    ///
    /// # Errors
    ///
    /// [`OperationError::Broker`].
    pub async fn of_group<B: Broker>(
        broker: &B,
        handlers: &[&'static HandlerRegistration],
        service: &str,
        own: &GroupName,
        named: &GroupName,
    ) -> Result<Self, OperationError> {
        let replayed = replayed_group(named.as_str()).and_then(|of| GroupName::parse(of).ok());
        let group = replayed.unwrap_or_else(|| named.clone());
        let known = RedriveTargets::new(handlers, own);
        if known.is_own(group.as_str()) {
            return Ok(known);
        }
        let topics: BTreeSet<_> = known.groups.iter().flat_map(|(of, _)| &of.topics).collect();
        let topics: Vec<_> = topics.into_iter().cloned().collect();
        let partitions = partitions_that_exist(broker, &topics).await?;
        let has_position = async |group: &GroupName| -> Result<bool, OperationError> {
            let committed = broker.committed(group, &partitions, TIMEOUT).await?;
            Ok(committed.iter().any(|committed| committed.next.is_some()))
        };
        if partitions.is_empty() {
            return Ok(known);
        }
        let other = Some(OtherGroup { group: group.clone(), service: service.to_owned() });
        Ok(match (has_position(&group).await?, has_position(own).await?) {
            (true, false) => RedriveTargets { other, ..RedriveTargets::new(handlers, &group) },
            (false, true) => RedriveTargets { other, ..known },
            _ => known,
        })
    }

    /// The handler that failed, in the group in which it runs now. Where none was found, because the
    /// record could not be read, the one that takes it now.
    pub(super) fn of(
        &self,
        letter: &DeadLetter,
        original: Option<&OwnedRecord>,
    ) -> Result<RedriveTarget, RedriveSkipReason> {
        let failed = letter.handler.as_ref().map(|id| self.failed(letter, id)).transpose()?;
        let original =
            original.ok_or_else(|| RedriveSkipReason::LeftOut(letter.origin.to_string()))?;
        failed.map_or_else(|| self.taker(letter, original), Ok)
    }

    /// Whether one of the handlers could get a letter, as far as its headers show.
    pub(super) fn may_have(&self, letter: &DeadLetter) -> bool {
        let topic = &letter.origin.partition.topic;
        match &letter.handler {
            Some(id) => self.failed(letter, id).is_ok(),
            None => {
                let reads = |(group, _): &(GroupTopics, _)| group.topics.contains(topic);
                self.check_group(letter).is_ok() && self.groups.iter().any(reads)
            }
        }
    }

    /// The groups that may get a letter, as far as its headers show.
    pub(super) fn groups_of(&self, letter: &DeadLetter) -> Vec<GroupName> {
        let topic = &letter.origin.partition.topic;
        match &letter.handler {
            Some(id) => self.failed(letter, id).into_iter().map(|found| found.group).collect(),
            None => {
                let reads = self.groups.iter().filter(|(group, _)| group.topics.contains(topic));
                reads.map(|(group, _)| group.group.clone()).collect()
            }
        }
    }

    // What another group is sent is passed over by all of ours, and then nobody has it.
    fn check_group(&self, letter: &DeadLetter) -> Result<(), RedriveSkipReason> {
        let group = replayed_group(&letter.group).unwrap_or(&letter.group);
        match &self.other {
            Some(other) if other.group.as_str() == group => match &letter.service {
                Some(service) if *service == other.service => Ok(()),
                service => Err(RedriveSkipReason::OtherService(excerpt(
                    service.as_deref().unwrap_or("-"),
                    64,
                ))),
            },
            _ if self.is_own(group) => Ok(()),
            _ => Err(RedriveSkipReason::OtherGroup(excerpt(group, 64))),
        }
    }

    fn is_own(&self, group: &str) -> bool {
        self.own.as_str() == group || self.groups.iter().any(|(of, _)| of.group.as_str() == group)
    }

    // A handler may have moved to another group, and that of a replay never was one of the service's.
    fn failed(&self, letter: &DeadLetter, id: &str) -> Result<RedriveTarget, RedriveSkipReason> {
        self.check_group(letter)?;
        let topic = &letter.origin.partition.topic;
        let (by, others): (Vec<_>, Vec<_>) =
            self.groups.iter().partition(|(g, _)| g.gave_up(letter));
        let mut groups = by.into_iter().chain(others);
        let found = groups.find_map(|(group, _)| group.target(topic, id));
        found.ok_or_else(|| RedriveSkipReason::NoHandler(excerpt(id, 64)))
    }

    // Of the group that gave it up, as long as there is one: the others had the record themselves.
    // That an event is unknown one group says for all, so that none of them had it.
    fn taker(
        &self,
        letter: &DeadLetter,
        original: &OwnedRecord,
    ) -> Result<RedriveTarget, RedriveSkipReason> {
        self.check_group(letter)?;
        let topic = &letter.origin.partition.topic;
        let (by, others): (Vec<_>, Vec<_>) =
            self.groups.iter().partition(|(g, _)| g.gave_up(letter));
        let is_for_all = by.is_empty() || letter.reason == UNKNOWN_EVENT;
        let groups = by.into_iter().chain(others.into_iter().filter(|_| is_for_all));
        for (group, router) in groups {
            let id = route_of(router, topic, original.value.as_deref())
                .map_err(RedriveSkipReason::Unreadable)?;
            if let Some(target) = id.and_then(|id| group.target(topic, &id)) {
                return Ok(target);
            }
        }
        Err(RedriveSkipReason::NobodyTakesIt)
    }
}

// The group of which `group` was a replay: `<group>_replay_20260131080000`.
fn replayed_group(group: &str) -> Option<&str> {
    let (of, began) = group.rsplit_once("_replay_")?;
    (!began.is_empty() && began.bytes().all(|byte| byte.is_ascii_digit())).then_some(of)
}

pub(super) async fn partitions_that_exist<B: Broker>(
    broker: &B,
    topics: &[TopicName],
) -> Result<Vec<TopicPartition>, OperationError> {
    let mut partitions = Vec::new();
    if topics.is_empty() {
        return Ok(partitions);
    }
    for status in broker.topics(topics, TIMEOUT).await? {
        match status.partitions {
            Ok(count) => partitions.extend(all_partitions(&status.topic, count)),
            Err(BrokerError::UnknownTopic(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(partitions)
}

impl GroupTopics {
    fn gave_up(&self, letter: &DeadLetter) -> bool {
        self.group.as_str() == replayed_group(&letter.group).unwrap_or(&letter.group)
    }

    fn target(&self, topic: &TopicName, id: &str) -> Option<RedriveTarget> {
        let handler = self.handler(topic, id)?;
        Some(RedriveTarget { group: self.group.clone(), handler })
    }
}
