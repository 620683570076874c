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

use std::collections::BTreeMap;

use crate::event::TopicName;

/// Puts `topics` into at most `max` sets (at least one). A topic whose `partitions` are not known
/// counts as one with several.
pub(super) fn topic_sets(
    topics: &[TopicName],
    retries: &[TopicName],
    partitions: &BTreeMap<TopicName, i32>,
    max: usize,
) -> Vec<Vec<TopicName>> {
    let has_one = |topic: &&TopicName| partitions.get(*topic) == Some(&1);
    let (single, mut several): (Vec<_>, Vec<_>) = topics.iter().partition(has_one);
    let single: Vec<TopicName> = single.into_iter().cloned().collect();
    let own = [single, retries.to_vec()].into_iter().filter(|set| !set.is_empty());
    let mut own: Vec<_> = own.collect();
    if several.is_empty() || max <= own.len() {
        // Too few members to tell topics apart.
        if max <= own.len() {
            let rest = several.into_iter().cloned();
            return vec![own.into_iter().flatten().chain(rest).collect()];
        }
        return own;
    }
    // Alike topics in different sets, and the same sets in each instance of the service.
    several.sort_by_key(|topic| (partitions.get(*topic).copied().unwrap_or(i32::MAX), *topic));
    let count = several.len().min(max - own.len());
    let mut sets = vec![Vec::new(); count];
    for (index, topic) in several.into_iter().enumerate() {
        sets[index % count].push(topic.clone());
    }
    sets.append(&mut own);
    sets
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
        let sets = topic_sets(&names(topics), &names(retries), &partitions.collect(), max);
        let text =
            |set: Vec<TopicName>| set.iter().map(TopicName::as_str).collect::<Vec<_>>().join(" ");
        sets.into_iter().map(text).collect()
    }

    #[test]
    fn each_topic_has_a_set_and_retries_and_single_partitions_share_one_each() {
        assert_eq!(
            sets("b a c d", "a_redrive b_retry_1m", "c d", 16),
            ["a", "b", "c d", "a_redrive b_retry_1m"]
        );
        assert_eq!(sets("a", "", "", 16), ["a"]);
        assert_eq!(sets("a b", "", "a b", 16), ["a b"]);
    }

    #[test]
    fn above_the_limit_topics_share_sets_and_none_is_left_out() {
        assert_eq!(sets("a b c d", "a_redrive", "", 3), ["a c", "b d", "a_redrive"]);
        assert_eq!(sets("a b c", "a_redrive", "", 1), ["a_redrive a b c"]);
        assert_eq!(sets("a b", "b_redrive", "a", 2), ["a b_redrive b"]);
        assert_eq!(sets("a b", "b_redrive", "a", 3), ["b", "a", "b_redrive"]);
        assert_eq!(sets("a b", "", "", 0), ["a b"]);
    }
}
