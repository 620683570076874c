//! Finds out for health what only the broker knows: what waits in the partitions of the service.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::broker::{Broker, BrokerError, ReadRequest, Reader};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::TopicName;
use crate::observe::{GroupHealth, Health, Suspect};

/// How often it is looked whether something was settled.
const LOOK: Duration = Duration::from_secs(1);
/// How often the broker is asked. Each question is a connection of its own.
const ASK: Duration = Duration::from_secs(15);
/// The same after a question that was not answered, or left something out.
const ASK_SOON: Duration = Duration::from_secs(5);
/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Goes on until it is dropped. `topics` are those of the service, to ask for something when it has
/// no partition.
pub(super) async fn look_after<B: Broker>(broker: &B, health: &Health, topics: &[TopicName]) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked: Option<(Instant, Duration)> = None;
    let mut had_new = false;
    loop {
        looks.tick().await;
        health.sample();
        if !health.is_looked_at() {
            continue;
        }
        let has_new = || health.watched().iter().any(|group| group.has_new());
        // Partitions that came since are asked about at once.
        let is_due = asked.is_none_or(|(at, pause)| at.elapsed() >= pause) || !had_new && has_new();
        if is_due {
            let answered = ask(broker, health, topics).await.is_ok();
            had_new = has_new();
            asked = Some((Instant::now(), if answered && !had_new { ASK } else { ASK_SOON }));
        }
    }
}

async fn ask<B: Broker>(
    broker: &B,
    health: &Health,
    topics: &[TopicName],
) -> Result<(), BrokerError> {
    let ends = ends(broker, &health.partitions(), topics).await;
    health.answered(ends.as_deref());
    ends?;
    for group in health.watched() {
        if let Some(partition) = group.doubt() {
            let answer = broker.committed(group.group(), &[partition], DEADLINE).await;
            group.note_coordinator(answer.is_ok());
        }
        // Where the group goes on is heard of with its first commit; until then it is asked for.
        let unknown = group.unknown();
        if !unknown.is_empty() {
            for one in broker.committed(group.group(), &unknown, DEADLINE).await? {
                group.note_committed(&one.partition, one.next);
            }
        }
        for suspect in group.suspects() {
            look_for_record(broker, &group, &suspect).await;
        }
    }
    Ok(())
}

type Ends = Vec<(TopicPartition, NextOffset, NextOffset)>;

async fn ends<B: Broker>(
    broker: &B,
    partitions: &[TopicPartition],
    topics: &[TopicName],
) -> Result<Ends, BrokerError> {
    if partitions.is_empty() {
        broker.topics(topics, DEADLINE).await?;
        return Ok(Vec::new());
    }
    let watermarks = broker.watermarks(partitions, DEADLINE).await?;
    Ok(watermarks.into_iter().map(|one| (one.partition, one.low, one.end)).collect())
}

/// Reads the record that a partition should go on with.
async fn look_for_record<B: Broker>(broker: &B, group: &GroupHealth, suspect: &Suspect) {
    let Suspect { partition, from, to } = suspect.clone();
    let request = ReadRequest { partitions: vec![(partition, from, Some(to))], follow: false };
    let Ok(mut reader) = broker.read(request) else { return };
    match timeout(DEADLINE, reader.next()).await {
        Ok(None) => group.note_looked(suspect, false),
        Ok(Some(Ok(_))) => group.note_looked(suspect, true),
        // Next time.
        Ok(Some(Err(_))) | Err(_) => {}
    }
}
