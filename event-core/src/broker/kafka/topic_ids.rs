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
    questions: Questions,
    /// Of which epoch the last question was.
    epoch: Epoch,
    due: Instant,
}

/// The question that is open. An answer to one before it may be older than what has changed.
#[derive(Debug, Default)]
struct Questions {
    /// How many there were: the number of the last one.
    asked: usize,
    open: Option<Question>,
    /// How many commits were acknowledged when the last question that was answered was asked.
    checked: u64,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    topics: usize,
    /// How many commits were acknowledged before it.
    acknowledged: u64,
}

impl Questions {
    /// Opens a question about so many topics, in place of the one that is open; gives its number.
    fn ask(&mut self, topics: usize, acknowledged: u64) -> usize {
        self.asked += 1;
        self.open = Some(Question { topics, acknowledged });
        self.asked
    }

    /// Whether this is the answer to the question that is open. It says nothing of commits unless it has all topics.
    fn take_answer(&mut self, number: usize, topics: usize) -> bool {
        let Some(question) = self.open.take_if(|_| number == self.asked) else { return false };
        if topics >= question.topics {
            self.checked = question.acknowledged;
        }
        true
    }
}

impl TopicIds {
    pub(super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<TopicIds> {
        Some(TopicIds {
            queue: TopicQueue::new(consumer)?,
            known: Known::default(),
            questions: Questions::default(),
            epoch: Epoch::default(),
            due: Instant::now(),
        })
    }

    /// Asks when it is due, at once where partitions came; gives what has changed. So many commits were
    /// acknowledged by now.
    pub(super) fn look(&mut self, ours: &Assignment, acknowledged: u64) -> Changes {
        if self.questions.open.is_some() {
            return self.take_answer().unwrap_or_default();
        }
        if ours.len() == 0 || ours.last_epoch() == self.epoch && Instant::now() < self.due {
            return Changes::default();
        }
        self.ask(&ours.topics(), TIMEOUT, acknowledged);
        (self.epoch, self.due) = (ours.last_epoch(), Instant::now() + EACH);
        Changes::default()
    }

    /// Asks once more at once, whatever was asked before, and waits for the answer until `deadline`.
    pub(super) fn look_now(
        &mut self,
        topics: &[TopicName],
        acknowledged: u64,
        deadline: Instant,
    ) -> Changes {
        let left = deadline.saturating_duration_since(Instant::now());
        self.ask(topics, left.max(PAUSE), acknowledged);
        loop {
            if let Some(changes) = self.take_answer() {
                return changes;
            }
            if Instant::now() >= deadline {
                return Changes::default();
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether a commit was acknowledged that no answer is newer than: it may be in the log of a topic
    /// that was recreated.
    pub(super) fn has_unchecked(&self, acknowledged: u64) -> bool {
        self.questions.checked != acknowledged
    }

    fn ask(&mut self, topics: &[TopicName], timeout: Duration, acknowledged: u64) {
        // An answer that is waited for may be the first of another cluster.
        if self.known.cluster.is_none() {
            self.known.cluster = self.queue.cluster_id();
        }
        let number = self.questions.ask(topics.len(), acknowledged);
        self.queue.ask(number, topics, timeout);
    }

    fn take_answer(&mut self) -> Option<Changes> {
        loop {
            let (number, ids) = self.queue.answer()?;
            if self.questions.take_answer(number, ids.len()) {
                return Some(self.known.take(self.queue.cluster_id(), ids));
            }
        }
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
    /// When the addresses lead to another cluster, its topics of these names have other ids and are not recreated
    /// ones: a mirrored cluster has translated offsets of the group. This answer may be of the cluster before, and
    /// the ids begin with the next one.
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

    #[test]
    fn an_answer_checks_the_commits_that_were_acknowledged_before_its_question() {
        let mut questions = Questions::default();
        let early = questions.ask(2, 0);
        // A commit is acknowledged, and it is asked again at once.
        let now = questions.ask(2, 1);
        assert!(!questions.take_answer(early, 2));
        assert_eq!(questions.checked, 0);
        assert!(questions.take_answer(now, 2));
        assert_eq!(questions.checked, 1);
        assert!(!questions.take_answer(now, 2), "it is answered");
        // Of a broker that gives no ids, or in place of an answer that did not come in time.
        let unknown = questions.ask(2, 2);
        assert!(questions.take_answer(unknown, 1));
        assert_eq!(questions.checked, 1);
    }

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
