//! Which topic an instance of a group gives back, so that no instance keeps every remainder.
//!
//! Each topic is shared out by itself: of three partitions one of two instances has two. The assignors
//! leave partitions where they are, so the instance that was there first keeps the larger share of
//! every topic. It gives one of them back, the group shares that topic out again among all who are
//! there by then, and the larger share goes to an instance that has less.
//!
//! All instances read the same description of the group, and one of them acts on it: the one that has
//! most. Only instances that subscribe to the same topics count: another service of the group can take none
//! of what is given back. The description does not say what a member subscribes to, so the
//! [`client_id`] has a hash of the topics.
//!
//! The assignors level out each member's total, so a topic of its own is what shares a topic evenly. What is left
//! over of each topic stays where it was first, so this looks at the description of the group
//! when nothing has changed for 10 seconds: the instance with the most partitions, if it has two more than another,
//! gives its partitions of one topic back. It leaves the group with that member and joins again 3 seconds later:
//! one that joins before the others have taken over might get the same partitions again. The one with the most acts,
//! the first by name of several: so one acts at a time. Members
//! with a `group.instance.id` do not level out, because they keep their partitions while they are away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::KafkaBroker;
use crate::broker::{Broker, GroupMember, PortFuture};
use crate::event::{GroupName, TopicName};

/// How long nothing may have changed before it is looked who has what: deployments are over then.
const CALM: Duration = Duration::from_secs(10);
/// After how long it is looked again, for changes that this instance had no part in.
const AGAIN: Duration = Duration::from_secs(60);
/// How often in a row something is given back without having less in all afterwards: the group may give the
/// same again. Then nothing more is given back until an instance comes or goes.
const MAX_FAILURES: u32 = 2;
/// How long the coordinator may take to say who has what.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Looks now and then whether this instance has more partitions than another.
pub(super) struct Leveling {
    broker: KafkaBroker,
    group: GroupName,
    client_id: String,
    sets: Vec<Vec<TopicName>>,
    due: Instant,
    tries: Tries,
    asked: Option<PortFuture<'static, Option<Vec<GroupMember>>>>,
}

impl Leveling {
    /// For the instance with this `client_id`, which has a member for each of `sets`.
    pub(super) fn new(
        broker: KafkaBroker,
        group: GroupName,
        client_id: String,
        sets: Vec<Vec<TopicName>>,
    ) -> Self {
        let due = Instant::now() + CALM;
        let tries = Tries::default();
        Leveling { broker, group, client_id, sets, due, tries, asked: None }
    }

    /// Partitions came or went.
    pub(super) fn changed(&mut self) {
        self.due = Instant::now() + CALM;
        self.asked = None;
    }

    /// Waits until one of the sets is to be given back. Cancel safe.
    pub(super) async fn next(&mut self) -> usize {
        loop {
            let asked = match &mut self.asked {
                Some(asked) => asked,
                None => {
                    sleep_until(self.due).await;
                    let (broker, group) = (self.broker.clone(), self.group.clone());
                    self.asked.insert(Box::pin(async move {
                        // What is not known is asked for again.
                        broker.members(&group, TIMEOUT).await.unwrap_or_default()
                    }))
                }
            };
            let members = asked.await;
            self.asked = None;
            self.due = Instant::now() + AGAIN;
            let Some(mut members) = members else { continue };
            retain_peers(&mut members, &self.client_id);
            match surplus(&members, &self.client_id, &self.sets) {
                Some(Surplus { set, ours, fewest }) if self.tries.may_try(&members, ours) => {
                    let topics: Vec<_> = self.sets[set].iter().map(TopicName::as_str).collect();
                    tracing::info!(
                        target: "event_core",
                        group = %self.group, topics = topics.join(" "), ours, fewest,
                        "gives its partitions of these topics back to the group, which shares them out again: another instance has fewer partitions"
                    );
                    return set;
                }
                _ => {}
            }
        }
    }
}

/// The client id of an instance of `service` that is called `name` and subscribes to `topics`:
/// `service-TOPICS-name`, where TOPICS is the same for all instances with the same topics.
pub(super) fn client_id(service: &str, topics: &[Vec<TopicName>], name: &str) -> String {
    let topics: BTreeSet<&str> = topics.iter().flatten().map(TopicName::as_str).collect();
    // FNV-1a, so that instances of two builds agree. No name of a topic has a zero byte.
    let bytes = topics.iter().flat_map(|topic| topic.bytes().chain([0]));
    let hash = bytes
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let topics = format!("{:04x}", (hash >> 16) ^ (hash & 0xffff));
    match service {
        "" => format!("{topics}-{name}"),
        service => format!("{service}-{topics}-{name}"),
    }
}

/// Leaves those members of the group whose instances subscribe to the same topics as the one with this
/// `client_id`.
fn retain_peers(members: &mut Vec<GroupMember>, client_id: &str) {
    let topics = |client_id: &str| {
        let (rest, _name) = client_id.rsplit_once('-')?;
        Some(rest.rsplit_once('-').map_or(rest, |(_service, topics)| topics).to_owned())
    };
    let ours = topics(client_id);
    members.retain(|member| topics(&member.client_id) == ours);
}

/// What came of giving partitions back.
#[derive(Debug, Default)]
struct Tries {
    instances: BTreeSet<String>,
    /// How many partitions this instance had when it gave some back last.
    had: Option<usize>,
    failures: u32,
}

impl Tries {
    /// Whether something may be given back by an instance that has `ours` partitions; if so, it counts as
    /// done.
    fn may_try(&mut self, members: &[GroupMember], ours: usize) -> bool {
        let instances = members.iter().map(|member| member.client_id.clone()).collect();
        if instances != self.instances {
            *self = Tries { instances, ..Tries::default() };
        }
        match self.had.is_some_and(|had| ours >= had) {
            true => self.failures += 1,
            false => self.failures = 0,
        }
        self.had = Some(ours);
        self.failures < MAX_FAILURES
    }
}

/// What is to be given back: the number of the set, and how many partitions this instance and the one
/// with the fewest have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Surplus {
    pub(super) set: usize,
    pub(super) ours: usize,
    pub(super) fewest: usize,
}

/// The set of topics, if any, whose partitions this instance is to give back. Partitions of other topics
/// than those of `sets` do not count. An instance is known by its `client_id`.
pub(super) fn surplus(
    members: &[GroupMember],
    client_id: &str,
    sets: &[Vec<TopicName>],
) -> Option<Surplus> {
    let mut shares: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for member in members {
        let share = shares.entry(&member.client_id).or_insert_with(|| vec![0; sets.len()]);
        for partition in &member.partitions {
            if let Some(set) = sets.iter().position(|set| set.contains(&partition.topic)) {
                share[set] += 1;
            }
        }
    }
    let total = |share: &[usize]| share.iter().sum::<usize>();
    // Of several with as many, the first by name: one acts at a time.
    let (most, ours) =
        shares.iter().max_by_key(|(name, share)| (total(share), std::cmp::Reverse(**name)))?;
    let (_, theirs) = shares.iter().min_by_key(|(_, share)| total(share))?;
    if *most != client_id || total(ours) < total(theirs) + 2 {
        return None;
    }
    // Of those where it has more, the one with the fewest partitions: these stand still for a moment.
    let larger = (0..sets.len()).filter(|set| ours[*set] > theirs[*set]);
    let set = larger.min_by_key(|set| ours[*set])?;
    Some(Surplus { set, ours: total(ours), fewest: total(theirs) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::TopicPartition;

    fn sets(count: usize) -> Vec<Vec<TopicName>> {
        ["a", "b", "c"][..count].iter().map(|name| vec![TopicName::parse(name).unwrap()]).collect()
    }

    /// A member for each instance and topic, with as many partitions.
    fn group(shares: &[(&str, &[usize])]) -> Vec<GroupMember> {
        let mut next = [0; 3];
        let mut members = Vec::new();
        for (client_id, share) in shares {
            for (set, count) in share.iter().enumerate() {
                let partitions = (0..*count).map(|_| {
                    next[set] += 1;
                    TopicPartition { topic: sets(3)[set][0].clone(), partition: next[set] }
                });
                members.push(GroupMember {
                    client_id: (*client_id).to_owned(),
                    host: String::new(),
                    partitions: partitions.collect(),
                });
            }
        }
        members
    }

    #[test]
    fn the_instance_with_every_larger_share_gives_one_back() {
        let members = group(&[("one", &[2, 2, 2]), ("two", &[1, 1, 1])]);
        let found = surplus(&members, "one", &sets(3));
        assert_eq!(found, Some(Surplus { set: 0, ours: 6, fewest: 3 }));
        assert_eq!(surplus(&members, "two", &sets(3)), None);
    }

    #[test]
    fn what_is_as_even_as_it_can_be_stays() {
        let members = group(&[("one", &[2, 1]), ("two", &[1, 1])]);
        assert_eq!(surplus(&members, "one", &sets(2)), None);
        // Other topics weigh nothing.
        let members = group(&[("one", &[1, 1, 9]), ("two", &[1, 1, 0])]);
        assert_eq!(surplus(&members, "one", &sets(2)), None);
        assert_eq!(surplus(&[], "one", &sets(2)), None);
    }

    #[test]
    fn an_instance_that_subscribes_to_other_topics_does_not_count() {
        let id = |service: &str, topics: &str, name: &str| {
            let topics: Vec<_> =
                topics.split(' ').map(|topic| vec![TopicName::parse(topic).unwrap()]).collect();
            client_id(service, &topics, name)
        };
        let (ours, theirs) = (id("members", "a b", "0001"), id("members", "d", "0002"));
        let mut members = group(&[(&ours, &[3, 3]), (&theirs, &[0, 0]), ("console-consumer", &[])]);
        retain_peers(&mut members, &ours);
        assert_eq!(surplus(&members, &ours, &sets(2)), None, "nobody can take them");

        let newcomer = id("renamed", "b a", "0003");
        members.extend(group(&[(&newcomer, &[0, 0])]));
        retain_peers(&mut members, &ours);
        let found = surplus(&members, &ours, &sets(2));
        assert_eq!(found, Some(Surplus { set: 0, ours: 6, fewest: 0 }));
        // A name that another version of the service has to make as well.
        assert_eq!(id("", "role_events", "0a"), "39d4-0a");
    }

    #[test]
    fn who_gets_the_same_again_stops_until_an_instance_comes_or_goes() {
        let two = group(&[("one", &[2, 2]), ("two", &[1, 1])]);
        let mut tries = Tries::default();
        assert!(tries.may_try(&two, 6) && tries.may_try(&two, 5), "it has less each time");
        assert!(tries.may_try(&two, 5));
        assert!(!tries.may_try(&two, 5) && !tries.may_try(&two, 5));
        let three = group(&[("one", &[2, 2]), ("two", &[1, 1]), ("three", &[0, 0])]);
        assert!(tries.may_try(&three, 4));
    }

    #[test]
    fn one_instance_acts_at_a_time() {
        let members = group(&[("one", &[1, 1, 1]), ("two", &[1, 1, 1]), ("three", &[0, 0, 0])]);
        let acting: Vec<_> = ["one", "two", "three"]
            .into_iter()
            .filter(|name| surplus(&members, name, &sets(3)).is_some())
            .collect();
        assert_eq!(acting, ["one"]);
    }

    /// Each step gives one partition of the topic to an instance that had fewer of it: the group chooses
    /// which, here by chance.
    #[test]
    fn it_ends_with_even_totals_from_any_start() {
        for seed in 1..=20 {
            for (partitions, instances) in (1..8).flat_map(|p| (2..5).map(move |i| (p, i))) {
                let shares = leveled(partitions, instances, seed);
                let totals: Vec<usize> = shares.iter().map(|share| share.iter().sum()).collect();
                let spread = totals.iter().max().unwrap() - totals.iter().min().unwrap();
                assert!(spread <= 1, "{partitions} on {instances}, seed {seed}: {shares:?}");
            }
        }
    }

    /// What each of `instances` has in the end of three topics with as many `partitions`, when the first
    /// ones had every larger share.
    fn leveled(partitions: usize, instances: usize, seed: u64) -> Vec<Vec<usize>> {
        let mut dice = seed;
        let names: Vec<String> = (0..instances).map(|number| format!("i{number}")).collect();
        let share = |n: usize| partitions / instances + usize::from(n < partitions % instances);
        let mut shares: Vec<Vec<usize>> = (0..instances).map(|n| vec![share(n); 3]).collect();
        for step in 0.. {
            assert!(step < 100, "{partitions} on {instances}, seed {seed}: {shares:?}");
            let members: Vec<_> = names
                .iter()
                .zip(&shares)
                .map(|(name, share)| (name.as_str(), &share[..]))
                .collect();
            let members = group(&members);
            let mut found = names.iter().enumerate().filter_map(|(number, name)| {
                Some((number, surplus(&members, name, &sets(3))?.set))
            });
            let Some((giver, set)) = found.next() else { break };
            let takers: Vec<_> =
                (0..instances).filter(|n| shares[*n][set] < shares[giver][set]).collect();
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let taker = takers[usize::try_from(dice >> 33).unwrap() % takers.len()];
            shares[giver][set] -= 1;
            shares[taker][set] += 1;
        }
        shares
    }
}
