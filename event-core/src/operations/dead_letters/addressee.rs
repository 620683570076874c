//! Who gets a dead letter that is redriven.

use super::{DeadLetter, Left};
use crate::event::{GroupName, TopicName, excerpt};
use crate::handler::HandlerRegistration;
use crate::operations::dry_run::route_of;
use crate::operations::{GroupTopics, OwnedRecord, groups_of};
use crate::processor::UNKNOWN_EVENT;
use crate::router::EventRouter;

/// The handlers of a service that dead letters can be redriven to, each in its group.
pub struct Addressees(Vec<(GroupTopics, EventRouter)>);

/// The handler that gets a record, and the group in which it runs.
#[derive(Clone, Debug)]
pub(super) struct Addressee {
    pub(super) group: GroupName,
    pub(super) handler: &'static HandlerRegistration,
}

impl Addressees {
    /// `handlers` in the groups that they name, or else in `service`.
    #[must_use]
    pub fn new(handlers: &[&'static HandlerRegistration], service: &GroupName) -> Self {
        let groups = groups_of(handlers, service).into_iter();
        Addressees(
            groups
                .map(|group| {
                    let router = EventRouter::new(&group.handlers);
                    (group, router)
                })
                .collect(),
        )
    }

    /// The handler that failed, in the group in which it runs now. Where none was found, because the
    /// record could not be read, the one that takes it now.
    pub(super) fn of(
        &self,
        letter: &DeadLetter,
        original: Option<&OwnedRecord>,
    ) -> Result<Addressee, Left> {
        let failed = letter.handler.as_ref().map(|id| self.failed(letter, id)).transpose()?;
        let original = original.ok_or_else(|| Left::LeftOut(letter.origin.to_string()))?;
        failed.map_or_else(|| self.taker(letter, original), Ok)
    }

    /// Whether one of the handlers could get a letter, as far as its headers tell.
    pub(super) fn may_have(&self, letter: &DeadLetter) -> bool {
        let topic = &letter.origin.partition.topic;
        match &letter.handler {
            Some(id) => self.failed(letter, id).is_ok(),
            None => self.0.iter().any(|(group, _)| group.topics.contains(topic)),
        }
    }

    // A handler may have moved to another group, and that of a replay never was one of the service's.
    fn failed(&self, letter: &DeadLetter, id: &str) -> Result<Addressee, Left> {
        let topic = &letter.origin.partition.topic;
        let (own, others): (Vec<_>, Vec<_>) = self.0.iter().partition(|(g, _)| g.gave_up(letter));
        let mut groups = own.into_iter().chain(others);
        let found = groups.find_map(|(group, _)| group.addressee(topic, id));
        found.ok_or_else(|| Left::NoHandler(excerpt(id, 64)))
    }

    // Of the group that gave it up, as long as there is one: the others had the record themselves.
    // That an event is unknown one group says for all, so that none of them had it.
    fn taker(&self, letter: &DeadLetter, original: &OwnedRecord) -> Result<Addressee, Left> {
        let topic = &letter.origin.partition.topic;
        let (own, others): (Vec<_>, Vec<_>) = self.0.iter().partition(|(g, _)| g.gave_up(letter));
        let is_for_all = own.is_empty() || letter.reason == UNKNOWN_EVENT;
        let groups = own.into_iter().chain(others.into_iter().filter(|_| is_for_all));
        for (group, router) in groups {
            let id =
                route_of(router, topic, original.value.as_deref()).map_err(Left::Unreadable)?;
            if let Some(addressee) = id.and_then(|id| group.addressee(topic, &id)) {
                return Ok(addressee);
            }
        }
        Err(Left::NobodyTakesIt)
    }
}

impl GroupTopics {
    fn gave_up(&self, letter: &DeadLetter) -> bool {
        self.group.as_str() == letter.group
    }

    fn addressee(&self, topic: &TopicName, id: &str) -> Option<Addressee> {
        let handler = self.handler(topic, id)?;
        Some(Addressee { group: self.group.clone(), handler })
    }
}
