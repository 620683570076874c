//! What several members of one group may rely on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use event_core::broker::{Broker, Consumer, OutgoingRecord, Producer, Progress, Subscription};
use event_core::delivery::{NextOffset, Offset, RecordBatch};
use event_core::event::{GroupName, TopicName};

use crate::TestCluster;
use crate::member::{Member, TIMEOUT, fill, record, subscription, topic};

const EACH: usize = 100;

pub async fn a_revocation_waits_for_release_and_commits_it(cluster: &impl TestCluster) {
    let topic = topic("handover");
    cluster.create_topic(topic.as_str(), 4).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    for partition in 0..4 {
        fill(&*producer, &topic, partition, EACH).await;
    }

    let mut first = Member::join(&broker, "handover", &topic);
    assert_eq!(first.read(4 * EACH).await.len(), 4 * EACH);
    let mut second = Member::join(&broker, "handover", &topic);
    let arrival = tokio::spawn(async move {
        let (partitions, _) = second.assigned().await;
        (partitions, Instant::now(), second)
    });

    let revocation = first.revoked().await;
    assert!(!revocation.lost);
    let revoked = revocation.partitions.clone();
    // Only the first forty of each partition are settled.
    let settled: Vec<Progress> = first
        .progress()
        .into_iter()
        .filter(|done| revoked.contains(&done.partition))
        .map(|done| Progress { next: NextOffset(40), ..done })
        .collect();
    let released = Instant::now();
    revocation.release(settled);

    // With the eager protocol both get new partitions.
    let keep_first = tokio::spawn(async move {
        loop {
            first.next().await;
        }
    });
    let (partitions, assigned, mut second) = arrival.await.unwrap();
    assert!(assigned >= released, "partitions went over before they were released");
    assert!(partitions.iter().all(|partition| revoked.contains(partition)));
    let batch = second.batch().await;
    let first_offset = batch.iter().next().map(|record| record.offset);
    assert_eq!(first_offset, Some(Offset(40)));
    keep_first.abort();
    second.close().await;
}

/// Records of kept partitions come when the release is there: librdkafka pauses them itself as long
/// as a rebalance is not answered.
pub async fn a_kept_partition_is_committed_while_another_is_waited_for(cluster: &impl TestCluster) {
    let topic = topic("kept");
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    for partition in 0..2 {
        fill(&*producer, &topic, partition, EACH).await;
    }

    let mut first = Member::join(&broker, topic.as_str(), &topic);
    first.read(2 * EACH).await;
    let mut second = Member::join(&broker, topic.as_str(), &topic);
    let arrival = tokio::spawn(async move {
        second.assigned().await;
        second
    });
    let revocation = first.revoked().await;
    let mut kept = first.progress();
    kept.retain(|done| !revocation.partitions.contains(&done.partition));
    // The eager protocol keeps none.
    if let [kept] = &kept[..] {
        first.commit(&[Progress { next: NextOffset(7), ..kept.clone() }]);
        let group = GroupName::parse(topic.as_str()).unwrap();
        let asked = std::slice::from_ref(&kept.partition);
        let since = Instant::now();
        loop {
            let committed = broker.committed(&group, asked, TIMEOUT).await.unwrap();
            if committed[0].next == Some(NextOffset(7)) {
                break;
            }
            assert!(since.elapsed() < TIMEOUT / 3, "{committed:?} while a release is waited for");
        }
    }
    assert!(!arrival.is_finished(), "a partition went over before it was released");
    revocation.release(first.progress());
    if let [kept] = &kept[..] {
        fill(&*producer, &topic, kept.partition.partition, 1).await;
        let batch = first.batch().await;
        assert_eq!((&**batch.partition(), batch.epoch()), (&kept.partition, kept.epoch));
        let offsets: Vec<Offset> = batch.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, [Offset(EACH as i64)], "it goes on where it was");
    } else {
        tokio::spawn(async move { first.assigned().await });
    }
    drop(arrival.await.unwrap());
}

pub async fn a_partition_that_went_while_paused_is_read_when_it_comes_back(
    cluster: &impl TestCluster,
) {
    const RECORDS: usize = 400;
    const BUDGET: usize = 64 << 10;
    let topic = topic("went_paused");
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    fill_kilobytes(&*broker.producer().unwrap(), &topic, RECORDS).await;

    let bounded =
        Subscription { max_in_flight_bytes: BUDGET, ..subscription(topic.as_str(), &topic) };
    let mut first = Member::subscribe(&broker, bounded);
    let seen = Mutex::new(BTreeSet::new());
    let retained = hold_until_paused(&mut first).await;
    let guest = Member::join(&broker, topic.as_str(), &topic);
    let visit = tokio::spawn(async move {
        let mut guest = guest;
        guest.assigned().await;
        guest.close_with(Vec::new()).await;
    });
    first.revoked().await.release(Vec::new());
    note(&seen, &retained);
    drop(retained);
    while seen.lock().unwrap().len() < RECORDS {
        note(&seen, &[first.batch().await]);
    }
    visit.await.unwrap();
    first.close().await;
}

/// Sends records of a kilobyte to two partitions in turn.
pub async fn fill_kilobytes(producer: &dyn Producer, topic: &TopicName, count: usize) {
    let kilobyte = "x".repeat(1024);
    let sends: Vec<_> = (0..count)
        .map(|number| {
            let partition = Some((number % 2) as i32);
            producer.send(OutgoingRecord { partition, ..record(topic, "k", &kilobyte) })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
}

/// Reads two partitions, which have more than the member may hold, until none of them goes on.
pub async fn hold_until_paused<C: Consumer>(member: &mut Member<C>) -> Vec<RecordBatch> {
    let mut retained = Vec::new();
    let mut partitions = BTreeSet::new();
    loop {
        match member.batch_or_nothing().await.pop() {
            Some(batch) => {
                partitions.insert(batch.partition().partition);
                retained.push(batch);
            }
            None if partitions.len() == 2 => return retained,
            None => {}
        }
    }
}

pub async fn progress_of_an_old_epoch_is_not_committed(cluster: &impl TestCluster) {
    let topic = topic("epochs");
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    for partition in 0..2 {
        fill(&*producer, &topic, partition, EACH).await;
    }

    let mut first = Member::join(&broker, "epochs", &topic);
    first.read(2 * EACH).await;
    let old = first.progress();
    let second = Member::join(&broker, "epochs", &topic);
    let busy = tokio::spawn(async move {
        let mut second = second;
        let (partitions, _) = second.assigned().await;
        (partitions, second)
    });
    first.revoked().await.release(old.clone());
    let (partitions, second) = busy.await.unwrap();
    let moved = partitions[0].clone();
    second.close_with(Vec::new()).await;

    // The first member owns the partition again, in a new epoch; what it still had in flight from
    // the old one must not turn the offset back.
    let (_, epoch) = loop {
        let (partitions, epoch) = first.assigned().await;
        if partitions.contains(&moved) {
            break (partitions, epoch);
        }
    };
    let old: Vec<Progress> = old
        .into_iter()
        .filter(|done| done.partition == moved)
        .map(|done| Progress { next: NextOffset(5), ..done })
        .collect();
    assert!(old[0].epoch < epoch);
    first.commit(&old);
    first.close_with(old).await;

    fill(&*producer, &topic, moved.partition, 1).await;
    let mut third = Member::join(&broker, "epochs", &topic);
    let offset = loop {
        let batch = third.batch().await;
        if **batch.partition() == moved {
            break batch.iter().next().map(|record| record.offset);
        }
    };
    assert_eq!(offset, Some(Offset(EACH as i64)));
    third.close().await;
}

pub async fn a_storm_of_joins_loses_nothing(cluster: &impl TestCluster) {
    const PARTITIONS: i32 = 4;
    let topic = topic("storm");
    cluster.create_topic(topic.as_str(), PARTITIONS).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();

    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let mut steady = Member::join(&broker, "storm", &topic);
    steady.assigned().await;
    for round in 0..6 {
        for partition in 0..PARTITIONS {
            fill(&*producer, &topic, partition, EACH).await;
        }
        // A guest joins, is given partitions, reads some, and leaves with or without a word.
        let mut guest = Member::join(&broker, "storm", &topic);
        let of_guest = Arc::clone(&seen);
        let visit = async {
            guest.assigned().await;
            if round % 2 == 0 {
                note(&of_guest, &guest.batch_or_nothing().await);
                guest.close().await;
            } else {
                drop(guest);
            }
        };
        tokio::pin!(visit);
        loop {
            tokio::select! {
                batch = steady.batch() => note(&seen, &[batch]),
                () = &mut visit => break,
            }
        }
    }
    let all = PARTITIONS as usize * EACH * 6;
    while seen.lock().unwrap().len() < all {
        note(&seen, &[steady.batch().await]);
    }
    // And the steady member still reads every partition.
    for partition in 0..PARTITIONS {
        fill(&*producer, &topic, partition, 1).await;
    }
    let all = all + PARTITIONS as usize;
    while seen.lock().unwrap().len() < all {
        note(&seen, &[steady.batch().await]);
    }
    steady.close().await;
}

fn note(seen: &Mutex<BTreeSet<(i32, Offset)>>, batches: &[RecordBatch]) {
    for batch in batches {
        let partition = batch.partition().partition;
        seen.lock().unwrap().extend(batch.iter().map(|record| (partition, record.offset)));
    }
}
