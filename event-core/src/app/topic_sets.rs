//! Which topics of a group share a member.
//!
//! The assignors that move few partitions (`cooperative-sticky`, and `uniform` of the brokers) level
//! out how many partitions a member has in all. A member for all topics may get all of a busy topic,
//! while the member beside it gets a retry topic where nothing happens. A member that subscribes to
//! one topic gets a share of that topic. Each member is a client of its own, with threads and
//! connections, so topics share one where nothing is lost by it:
//!
//! - topics with one partition: nobody can share such a topic, so its partition only has to find an
//!   instance that has few;
//! - retry and redrive topics, where little happens;
//! - above the limit, as many as have to.
//!
//! # Members
//!
//! A `KafkaConsumer` is an instance of a group: one member of the group for each set of topics, each a client of
//! librdkafka with a thread of its own (`broker::kafka::{consumer, poll_loop}`). `app::topic_sets` says which
//! topics share a member: those with one partition, those for retries and redrives, and above `max_members` as many
//! as have to. All members hand their batches and rebalances to one channel, and share one byte budget; a command
//! goes to the member that has the topic. A partition belongs to one member always, so epochs are counted by
//! member.
//!
//! What a member costs beside its records is a thread of ours and some four of librdkafka (its main one, one for
//! the addresses in `brokers`, one for the coordinator, one for each broker that leads a partition of it), and a
//! connection for each of the last three. Clients cannot share these: librdkafka has no such thing. They sleep
//! while nothing comes. A service with four groups has a member each for its topics and for what is redriven, and
//! so some forty such threads, on which nothing runs for long.

use std::collections::BTreeMap;

use crate::delivery::TopicPartition;
use crate::event::TopicName;

/// The topics of a group, in sets that have a member each.
#[derive(Debug)]
pub(super) struct TopicSets {
    /// Those with handlers.
    pub(super) sets: Vec<Vec<TopicName>>,
    /// Those for retries and redriven records, unless they are in the one set of all.
    pub(super) retries: Vec<TopicName>,
    /// Those that share a member because each of them had one partition.
    pub(super) single: Vec<TopicName>,
}

impl TopicSets {
    /// Puts `topics` and `retries` into at most `max` sets (at least one). A topic whose `partitions`
    /// are not known counts as one with several.
    pub(super) fn new(
        topics: &[TopicName],
        retries: &[TopicName],
        partitions: &BTreeMap<TopicName, i32>,
        max: usize,
    ) -> Self {
        let has_one = |topic: &TopicName| partitions.get(topic) == Some(&1);
        let (single, mut several): (Vec<_>, Vec<_>) = topics.iter().cloned().partition(has_one);
        let own = usize::from(!single.is_empty()) + usize::from(!retries.is_empty());
        if own + usize::from(!several.is_empty()) > max {
            let all = [several, single, retries.to_vec()].concat();
            return TopicSets { sets: vec![all], retries: Vec::new(), single: Vec::new() };
        }
        // Alike topics in different sets, and the same sets in each instance of the service.
        several.sort_by_key(|topic| (partitions.get(topic).copied(), topic.clone()));
        let count = several.len().min(max - own);
        let mut sets = vec![Vec::new(); count];
        for (index, topic) in several.into_iter().enumerate() {
            sets[index % count].push(topic);
        }
        if !single.is_empty() {
            sets.push(single.clone());
        }
        let single = if single.len() > 1 { single } else { Vec::new() };
        TopicSets { sets, retries: retries.to_vec(), single }
    }

    /// How many members the group gets of this instance.
    pub(super) fn len(&self) -> usize {
        self.sets.len() + usize::from(!self.retries.is_empty())
    }
}

/// Those of `single`, which share a member because each of them had one partition, that have got more since:
/// the partitions that the group gives an instance show it.
pub(super) fn outgrown<'a>(
    single: &'a [TopicName],
    assigned: &[TopicPartition],
) -> Vec<&'a TopicName> {
    let has_more =
        |topic: &&TopicName| assigned.iter().any(|one| one.topic == **topic && one.partition > 0);
    single.iter().filter(has_more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<TopicName> {
        list.split_whitespace().map(|name| TopicName::parse(name).unwrap()).collect()
    }

    fn sets(topics: &str, retries: &str, single: &str, max: usize) -> Vec<String> {
        let partitions = names(topics).into_iter().map(|topic| {
            let count = if names(single).contains(&topic) { 1 } else { 3 };
            (topic, count)
        });
        let sets = TopicSets::new(&names(topics), &names(retries), &partitions.collect(), max);
        assert!(sets.len() <= max.max(1), "{sets:?}");
        let text =
            |set: Vec<TopicName>| set.iter().map(TopicName::as_str).collect::<Vec<_>>().join(" ");
        sets.sets.into_iter().chain([sets.retries]).map(text).collect()
    }

    #[test]
    fn each_topic_has_a_set_and_retries_and_single_partitions_share_one_each() {
        let shared = sets("b a c d", "a_redrive b_retry_1m", "c d", 16);
        assert_eq!(shared, ["a", "b", "c d", "a_redrive b_retry_1m"]);
        assert_eq!(sets("a", "", "", 16), ["a", ""]);
        assert_eq!(sets("a b", "", "a b", 16), ["a b", ""]);
    }

    #[test]
    fn above_the_limit_topics_share_sets_and_none_is_left_out() {
        assert_eq!(sets("a b c d", "a_redrive", "", 3), ["a c", "b d", "a_redrive"]);
        assert_eq!(sets("a b c", "a_redrive", "", 1), ["a b c a_redrive", ""]);
        assert_eq!(sets("a b", "b_redrive", "a", 2), ["b a b_redrive", ""]);
        assert_eq!(sets("a b", "b_redrive", "a", 3), ["b", "a", "b_redrive"]);
        assert_eq!(sets("a b", "", "", 0), ["a b", ""]);
    }

    #[test]
    fn a_topic_that_got_more_partitions_is_told_from_those_with_one() {
        let ones = names("a b").into_iter().map(|topic| (topic, 1));
        let sets = TopicSets::new(&names("a b c"), &[], &ones.collect(), 16);
        assert_eq!(sets.single, names("a b"));
        let mut assigned: Vec<_> = names("a b c")
            .into_iter()
            .map(|topic| TopicPartition { topic, partition: 0 })
            .collect();
        assert_eq!(outgrown(&sets.single, &assigned), Vec::<&TopicName>::new());
        for topic in names("b c") {
            assigned.push(TopicPartition { topic, partition: 5 });
        }
        assert_eq!(outgrown(&sets.single, &assigned), [&names("b")[0]]);
        // One that has a member of its own keeps it.
        let one = names("a").into_iter().map(|topic| (topic, 1));
        assert!(TopicSets::new(&names("a c"), &[], &one.collect(), 16).single.is_empty());
    }
}
