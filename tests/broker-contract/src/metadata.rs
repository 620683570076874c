//! What is committed beside an offset, and what a member that keeps its name keeps with it.

use std::time::Duration;

use event_core::broker::{
    AssignedPartition, Broker, BrokerError, Consumer, ConsumerEvent, Progress, Subscription,
};
use event_core::delivery::{NextOffset, Offset, TopicPartition};

use crate::TestCluster;
use crate::member::{Member, TIMEOUT, fill, subscription, topic};

fn with_metadata(group: &str, topic: &event_core::event::TopicName) -> Subscription {
    Subscription { wants_metadata: true, ..subscription(group, topic) }
}

async fn assigned<C: Consumer>(member: &mut Member<C>) -> Vec<AssignedPartition> {
    loop {
        match member.next().await {
            ConsumerEvent::Assigned { partitions, .. } if !partitions.is_empty() => {
                return partitions;
            }
            ConsumerEvent::Revoked(revocation) => revocation.release(Vec::new()),
            _ => {}
        }
    }
}

pub async fn metadata_comes_back_to_the_next_member(cluster: &impl TestCluster) {
    let topic = topic("metadata");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    fill(&*broker.producer().unwrap(), &topic, 0, 10).await;
    let group = topic.as_str();
    let join = || Member::subscribe(&broker, with_metadata(group, &topic));

    let mut member = join();
    let first = assigned(&mut member).await;
    assert_eq!((first[0].next, first[0].metadata.as_str()), (None, ""));
    member.read(10).await;
    let done = |next, metadata: &str, of: &Member<_>| Progress {
        next: NextOffset(next),
        metadata: metadata.to_owned(),
        ..of.progress()[0].clone()
    };
    // The same offset with other metadata is another commit.
    let progress = done(4, "ec1:BQE", &member);
    member.commit(&[progress]);
    let progress = done(4, "ec1:BQI", &member);
    member.close_with(vec![progress]).await;

    let mut member = join();
    let second = assigned(&mut member).await;
    assert_eq!(second[0].next, Some(NextOffset(4)));
    assert_eq!(second[0].metadata, "ec1:BQI");
    assert_eq!(member.read(1).await[0].offset, Offset(4), "it goes on where the metadata says");
    // And without metadata it is forgotten.
    let progress = done(8, "", &member);
    member.commit(&[progress]);
    member.close_with(Vec::new()).await;
    let mut member = join();
    let third = assigned(&mut member).await;
    assert_eq!((third[0].next, third[0].metadata.as_str()), (Some(NextOffset(8)), ""));
    assert_eq!(member.read(1).await[0].offset, Offset(8));
    member.close().await;

    // Only who asked gets it.
    let mut member = Member::join(&broker, group, &topic);
    assert_eq!(assigned(&mut member).await[0].next, None);
    member.close_with(Vec::new()).await;
}

pub async fn metadata_goes_over_with_a_revocation(cluster: &impl TestCluster) {
    let topic = topic("metadata_handover");
    cluster.create_topic(topic.as_str(), 4).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    for partition in 0..4 {
        fill(&*producer, &topic, partition, 10).await;
    }
    let group = topic.as_str();
    let mut first = Member::subscribe(&broker, with_metadata(group, &topic));
    first.read(40).await;
    let second = Member::subscribe(&broker, with_metadata(group, &topic));
    let arrival = tokio::spawn(async move {
        let mut second = second;
        (assigned(&mut second).await, second)
    });
    let revocation = first.revoked().await;
    let metadata_of = |partition: &TopicPartition| format!("of {}", partition.partition);
    let settled = first.progress().into_iter().map(|done| Progress {
        next: NextOffset(3),
        metadata: metadata_of(&done.partition),
        ..done
    });
    let settled: Vec<Progress> =
        settled.filter(|done| revocation.partitions.contains(&done.partition)).collect();
    revocation.release(settled);
    // With the eager protocol both get new partitions.
    let keep_first = tokio::spawn(async move {
        loop {
            first.next_ever().await;
        }
    });
    let (partitions, second) = arrival.await.unwrap();
    for assigned in partitions {
        assert_eq!(assigned.next, Some(NextOffset(3)), "{assigned:?}");
        assert_eq!(assigned.metadata, metadata_of(&assigned.partition));
    }
    keep_first.abort();
    second.close_with(Vec::new()).await;
}

pub async fn metadata_over_the_limit_is_refused(cluster: &impl TestCluster) {
    let Some(limit) = cluster.max_metadata_bytes() else {
        return;
    };
    let topic = topic("metadata_limit");
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    for partition in 0..2 {
        fill(&*producer, &topic, partition, 10).await;
    }
    let group = topic.as_str();
    let mut member = Member::subscribe(&broker, with_metadata(group, &topic));
    member.read(20).await;
    let mut progress = member.progress();
    progress[0].metadata = "x".repeat(limit + 1);
    member.commit(&progress);
    loop {
        if let ConsumerEvent::CommitFailed(error) = member.next().await {
            assert_eq!(error, BrokerError::MetadataTooLarge { bytes: limit + 1 });
            break;
        }
    }
    let longest = "x".repeat(limit);
    progress[0].metadata.clone_from(&longest);
    member.commit(&progress[..1]);
    // And in the last commit it is an answer.
    let mut last = progress.clone();
    last[1].next = NextOffset(9);
    last[1].metadata = "x".repeat(limit + 1);
    let closed = member.close_within(vec![last.remove(1)], TIMEOUT).await;
    assert_eq!(closed, Err(BrokerError::MetadataTooLarge { bytes: limit + 1 }));

    let mut member = Member::subscribe(&broker, with_metadata(group, &topic));
    let mut partitions = assigned(&mut member).await;
    while partitions.len() < 2 {
        partitions.extend(assigned(&mut member).await);
    }
    partitions.sort_by_key(|assigned| assigned.partition.partition);
    assert_eq!(partitions[0].metadata, longest);
    assert_eq!(partitions[0].next, Some(NextOffset(10)));
    assert_eq!(partitions[1].next, Some(NextOffset(10)), "those beside it were committed");
    member.close_with(Vec::new()).await;
}

pub async fn a_named_member_keeps_its_partitions_through_a_restart(cluster: &impl TestCluster) {
    if !cluster.has_named_members() {
        return;
    }
    let topic = topic("named");
    cluster.create_topic(topic.as_str(), 4).await;
    let broker = cluster.broker();
    let group = topic.as_str();
    let join = |name: &str| {
        let group_instance_id = Some(name.to_owned());
        Member::subscribe(
            &broker,
            Subscription { group_instance_id, ..subscription(group, &topic) },
        )
    };
    let mut one = join("one");
    one.assigned().await;
    let mut other = join("other");
    // Until both have their halves.
    let (mut of_one, mut of_other) = (0_usize, 0_usize);
    let count = |event: ConsumerEvent, owned: &mut usize| match event {
        ConsumerEvent::Assigned { partitions, .. } => *owned += partitions.len(),
        ConsumerEvent::Revoked(revocation) => {
            *owned -= revocation.partitions.len();
            revocation.release(Vec::new());
        }
        _ => {}
    };
    of_one += 4;
    while (of_one, of_other) != (2, 2) {
        tokio::select! {
            event = one.next() => count(event, &mut of_one),
            event = other.next() => count(event, &mut of_other),
        }
    }
    // Both must have reported it to the broker.
    let quiet = Duration::from_secs(1);
    assert!(nothing_changes(&mut one, quiet).await && nothing_changes(&mut other, quiet).await);

    // While it is away, and when it is back: a member without a name would be missed at once.
    one.close_with(Vec::new()).await;
    let while_away = Duration::from_secs(2);
    assert!(nothing_changes(&mut other, while_away).await, "the group changed without it");
    let mut one = join("one");
    let back = tokio::spawn(async move { (one.assigned().await.0.len(), one) });
    assert!(nothing_changes(&mut other, quiet).await, "the group changed with it");
    let (count, one) = back.await.unwrap();
    assert_eq!(count, 2);
    one.close_with(Vec::new()).await;
    other.close_with(Vec::new()).await;
}

/// Whether a member neither gets nor loses a partition for a while.
async fn nothing_changes<C: Consumer>(member: &mut Member<C>, how_long: Duration) -> bool {
    let change = async {
        loop {
            match member.next_ever().await {
                ConsumerEvent::Assigned { partitions, .. } if !partitions.is_empty() => break,
                ConsumerEvent::Revoked(revocation) if !revocation.partitions.is_empty() => break,
                _ => {}
            }
        }
    };
    tokio::time::timeout(how_long, change).await.is_err()
}
