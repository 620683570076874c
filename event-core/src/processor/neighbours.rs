//! The other consumer groups of the process, which read the same topics.

use crate::event::{Envelope, GroupName, TopicName};
use crate::router::EventRouter;

/// What the other consumer groups of a process handle. A record that nobody in a group handles is not
/// unknown when another group handles it, and when none does, one group is enough to say so.
#[derive(Clone, Debug, Default)]
pub struct Neighbours(Vec<(GroupName, EventRouter)>);

impl Neighbours {
    /// All groups of the process but `group`.
    #[must_use]
    pub fn of<'a>(
        group: &GroupName,
        all: impl IntoIterator<Item = (&'a GroupName, &'a EventRouter)>,
    ) -> Self {
        let others = all.into_iter().filter(|(other, _)| *other != group);
        Neighbours(others.map(|(other, router)| (other.clone(), router.clone())).collect())
    }

    /// Whether a record that nobody in `group` handles is another group's business.
    pub(super) fn take(
        &self,
        group: &GroupName,
        topic: &TopicName,
        envelope: Option<&Envelope<'_>>,
    ) -> bool {
        self.0.iter().any(|(other, router)| {
            let routes = router.topic(topic.as_str());
            routes.of(envelope).is_some() || (other < group && routes.routes().next().is_some())
        })
    }
}
