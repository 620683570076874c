//! The other consumer groups of the process, which read the same topics.

use crate::event::{GroupName, TopicName};
use crate::router::{EventRouter, TopicRoutes};

/// What the other consumer groups of a process handle. A record that nobody in a group handles is not
/// unknown when another group handles it, and when none does, one group is enough to say so.
#[derive(Clone, Debug, Default)]
pub struct SiblingGroups(Vec<(GroupName, EventRouter)>);

impl SiblingGroups {
    /// All groups of the process but `group`.
    #[must_use]
    pub fn of<'a>(
        group: &GroupName,
        all: impl IntoIterator<Item = (&'a GroupName, &'a EventRouter)>,
    ) -> Self {
        let others = all.into_iter().filter(|(other, _)| *other != group);
        SiblingGroups(others.map(|(other, router)| (other.clone(), router.clone())).collect())
    }

    /// The other group whose business a record is that nobody in `group` handles: the one that
    /// `handles` it, or else the first that reads the topic, if that comes before `group`.
    pub(crate) fn take(
        &self,
        group: &GroupName,
        topic: &TopicName,
        handles: impl Fn(&TopicRoutes) -> bool,
    ) -> Option<&GroupName> {
        let routes = |router: &EventRouter| router.topic(topic.as_str());
        let reading = || {
            let readers = self.0.iter().filter(|(_, router)| !routes(router).is_empty());
            readers.min_by_key(|(other, _)| other).filter(|(other, _)| other < group)
        };
        self.handling(topic, handles).or_else(|| reading().map(|(other, _)| other))
    }

    /// The other group that `handles` a record.
    pub(crate) fn handling(
        &self,
        topic: &TopicName,
        handles: impl Fn(&TopicRoutes) -> bool,
    ) -> Option<&GroupName> {
        let mut all = self.0.iter();
        let handling = all.find(|(_, router)| handles(&router.topic(topic.as_str())));
        handling.map(|(other, _)| other)
    }
}
