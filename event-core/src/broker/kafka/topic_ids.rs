//! Finds out that a topic was deleted and made again, which a client may not hear: of a topic that is back
//! soon nothing reports it, and with the new protocol the group only takes the partitions away and gives them
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, ConsumerContext};

use super::assignment::Assignment;
use super::raw::{TopicId, TopicQueue};
use crate::delivery::Epoch;
use crate::event::TopicName;

/// How often it is asked while the partitions are the same.
const EACH: Duration = Duration::from_secs(10);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Between two looks at an answer that is waited for.
const PAUSE: Duration = Duration::from_millis(2);

/// What has changed since the last answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Topics that are not those they were.
    pub(super) topics: Vec<Changed>,
    /// The cluster that answered before, and the one that answers now.
    pub(super) clusters: Option<(String, String)>,
}

/// A topic that is not the one that it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) topic: String,
    /// It had another id before. Without one, a broker may only not have known of it yet.
    pub(super) is_known: bool,
}

/// The ids of the topics that a client has, or had.
pub(super) struct TopicIds {
    queue: TopicQueue,
    known: Known,
    /// An answer is under way.
    is_asked: bool,
    /// Of which epoch the last question was.
    epoch: Epoch,
    due: Instant,
}

impl TopicIds {
    pub(super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<TopicIds> {
        Some(TopicIds {
            queue: TopicQueue::new(consumer)?,
            known: Known::default(),
            is_asked: false,
            epoch: Epoch::default(),
            due: Instant::now(),
        })
    }

    /// Asks when it is due, at once where partitions came; gives what has changed.
    pub(super) fn look(&mut self, ours: &Assignment) -> Changes {
        if self.is_asked {
            return self.take_answer().unwrap_or_default();
        }
        if ours.len() == 0 || ours.last_epoch() == self.epoch && Instant::now() < self.due {
            return Changes::default();
        }
        self.queue.ask(&ours.topics(), TIMEOUT);
        self.is_asked = true;
        (self.epoch, self.due) = (ours.last_epoch(), Instant::now() + EACH);
        Changes::default()
    }

    /// Asks once more, and waits for the answer until `deadline`.
    pub(super) fn look_now(&mut self, topics: &[TopicName], deadline: Instant) -> Changes {
        // The answer to an earlier question may be older than what has changed.
        let mut changes = Changes::default();
        for is_first in [true, false] {
            if !is_first {
                let left = deadline.saturating_duration_since(Instant::now());
                self.queue.ask(topics, left.max(PAUSE));
                self.is_asked = true;
            }
            while self.is_asked {
                if let Some(answer) = self.take_answer() {
                    changes.topics.extend(answer.topics);
                    changes.clusters = answer.clusters.or(changes.clusters);
                } else if Instant::now() >= deadline {
                    return changes;
                } else {
                    std::thread::sleep(PAUSE);
                }
            }
        }
        changes
    }

    fn take_answer(&mut self) -> Option<Changes> {
        let answer = self.queue.answer()?;
        self.is_asked = false;
        let changes = self.known.take(self.queue.cluster_id(), answer);
        if changes.clusters.is_some() {
            self.due = Instant::now();
        }
        Some(changes)
    }
}

/// The first known id of each topic; `None` of one that was gone by then.
#[derive(Default)]
struct Known {
    /// Of which cluster they are, where that is known.
    cluster: Option<String>,
    ids: BTreeMap<String, Option<TopicId>>,
}

impl Known {
    /// Takes ids in; gives the topics that had another one.
    ///
    /// When the addresses lead to another cluster, its topics of these names have other ids and are no new
    /// ones: a mirrored cluster has translated offsets of the group. The ids begin anew then, with the
    /// next answer: this one may be of the cluster before.
    fn take(&mut self, cluster: Option<String>, ids: Vec<(String, Option<TopicId>)>) -> Changes {
        if let (Some(before), Some(now)) = (&self.cluster, &cluster)
            && before != now
        {
            let clusters = Some((before.clone(), now.clone()));
            *self = Known { cluster, ids: BTreeMap::new() };
            return Changes { topics: Vec::new(), clusters };
        }
        self.cluster = cluster.or(self.cluster.take());
        let mut topics = Vec::new();
        for (topic, id) in ids {
            match self.ids.get(&topic) {
                Some(known) if id.is_some() && *known != id => {
                    topics.push(Changed { topic, is_known: known.is_some() });
                }
                Some(_) => {}
                None => {
                    self.ids.insert(topic, id);
                }
            }
        }
        Changes { topics, clusters: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(topic: &str, is_known: bool) -> Changed {
        Changed { topic: topic.to_owned(), is_known }
    }

    fn take(known: &mut Known, list: &[(&str, Option<i64>)]) -> Vec<Changed> {
        take_of(known, "blue", list).topics
    }

    fn take_of(known: &mut Known, cluster: &str, list: &[(&str, Option<i64>)]) -> Changes {
        let id_of = |id| TopicId(7, id);
        let ids = list.iter().map(|(topic, id)| ((*topic).to_owned(), id.map(id_of)));
        known.take(Some(cluster.to_owned()), ids.collect())
    }

    #[test]
    fn a_topic_is_made_anew_when_its_id_is_another_one() {
        let mut known = Known::default();
        assert_eq!(take(&mut known, &[("a", Some(1)), ("b", Some(2))]), []);
        // It is deleted.
        assert_eq!(take(&mut known, &[("a", Some(1)), ("b", None)]), []);
        assert_eq!(take(&mut known, &[("a", Some(1)), ("b", Some(3))]), [changed("b", true)]);
        // Until the client is another one.
        assert_eq!(take(&mut known, &[("b", Some(3))]), [changed("b", true)]);
    }

    #[test]
    fn a_topic_that_was_gone_when_it_was_asked_for_is_made_anew_when_it_is_back() {
        let mut known = Known::default();
        assert_eq!(take(&mut known, &[("a", None)]), []);
        assert_eq!(take(&mut known, &[]), []);
        assert_eq!(take(&mut known, &[("a", Some(1))]), [changed("a", false)]);
    }

    #[test]
    fn the_topics_of_another_cluster_are_seen_for_the_first_time() {
        let mut known = Known::default();
        assert_eq!(known.take(None, Vec::new()), Changes::default());
        assert_eq!(take_of(&mut known, "blue", &[("a", Some(1))]), Changes::default());
        let moved = take_of(&mut known, "green", &[("a", Some(2))]);
        let clusters = Some(("blue".to_owned(), "green".to_owned()));
        assert_eq!(moved, Changes { topics: Vec::new(), clusters });
        assert_eq!(take_of(&mut known, "green", &[("a", Some(2))]), Changes::default());
        // An answer without a cluster is none of another one.
        assert_eq!(known.take(None, Vec::new()), Changes::default());
        let anew = take_of(&mut known, "green", &[("a", Some(3))]);
        assert_eq!(anew, Changes { topics: vec![changed("a", true)], clusters: None });
    }
}
