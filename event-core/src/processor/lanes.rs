//! The lanes of the partitions that are ours.
//!
//! # Giving a partition up
//!
//! When a partition is to be given up, its lane finishes what is in flight within the drain timeout, what is settled
//! is committed, and only then is the partition released. Those that are kept go on with what was handed over, and
//! are committed, but get no more meanwhile: librdkafka pauses every partition until a revocation is answered.
//! Shutdown is the same for all partitions at once, and then leaves the group. A lane that fails says so at once
//! and starts nothing more; what it has in flight ends within the same deadline as that of the others. The first
//! failure is how the service ends, also when it comes up during the drain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::engine::Engine;
use super::lane::{Failures, Lane, LaneFailure};
use crate::broker::{AssignedPartition, BrokerError, Consumer, Progress, Revocation};
use crate::delivery::{Epoch, NextOffset, RecordBatch, SettledAbove, TopicPartition};
use crate::observe::{InFlightAttempt, Observation};

/// One lane per assigned partition. Only the processor's loop touches it, so nothing here locks.
pub(super) struct Lanes {
    engine: Arc<Engine>,
    open: BTreeMap<TopicPartition, OpenLane>,
    failures: Failures,
    failed: mpsc::UnboundedReceiver<(TopicPartition, LaneFailure)>,
    /// Gives back what is left of revocations, without progress: that is released with them.
    releasing: JoinSet<Drained>,
    /// How much metadata goes with a commit; less once the broker refused so much.
    max_metadata_bytes: usize,
}

struct OpenLane {
    lane: Lane,
    epoch: Epoch,
    /// What was sent to be committed.
    committed: Option<(NextOffset, String)>,
    /// What the group has.
    acknowledged: Option<(NextOffset, String)>,
}

// Lanes that are released have a deadline of their own, which may be the same as the shutdown's; what
// is settled in them is known a moment later.
const RELEASE_GRACE: Duration = Duration::from_secs(1);

/// What is left when all lanes have ended.
#[derive(Debug, Default)]
pub(super) struct Drained {
    pub(super) progress: Vec<Progress>,
    /// What of it is not known to be committed.
    pub(super) unacknowledged: Vec<Progress>,
    /// How many lanes had to be cut off.
    pub(super) abandoned: usize,
    /// What was in flight then.
    pub(super) in_flight: Vec<InFlightAttempt>,
    /// The first lane whose failure the processor's loop has not received.
    pub(super) failure: Option<(TopicPartition, LaneFailure)>,
}

impl Lanes {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        let max_metadata_bytes = engine.policy.max_metadata_bytes;
        let (failures, failed) = Failures::new();
        Lanes {
            engine,
            open: BTreeMap::new(),
            failures,
            failed,
            releasing: JoinSet::new(),
            max_metadata_bytes,
        }
    }

    pub(super) fn open(
        &mut self,
        consumer: &mut impl Consumer,
        assigned: Vec<AssignedPartition>,
        epoch: Epoch,
    ) {
        let partitions: Vec<_> = assigned.iter().map(|one| one.partition.clone()).collect();
        self.engine.observers.notify(&Observation::Assigned { partitions: &partitions, epoch });
        // What a lane spawns and waits for is of the runtime of handlers.
        let _entered = self.engine.runtime.enter();
        for AssignedPartition { partition, next, metadata } in assigned {
            let remembered = next.map(|next| SettledAbove::decode(&metadata, next));
            let lane = Lane::spawn(
                Arc::clone(&self.engine),
                partition.clone(),
                consumer.queue(&partition, epoch),
                next,
                remembered.unwrap_or_default(),
                self.failures.clone(),
            );
            let acknowledged = next.map(|next| (next, metadata));
            self.open.insert(partition, OpenLane { lane, epoch, committed: None, acknowledged });
        }
    }

    /// Hands a batch to its lane. A batch of an older epoch is dropped: its records are delivered
    /// again to whoever has the partition now.
    pub(super) fn deliver(&mut self, batch: RecordBatch) {
        if let Some(open) = self.open.get_mut(&**batch.partition())
            && open.epoch == batch.epoch()
        {
            open.lane.push(batch);
        }
    }

    /// Informs a lane that no record comes before `next`.
    pub(super) fn pass(&self, partition: &TopicPartition, epoch: Epoch, next: NextOffset) {
        if let Some(open) = self.open.get(partition)
            && open.epoch == epoch
        {
            open.lane.pass(next);
        }
    }

    /// A partition whose lane does not go on although nobody stopped it.
    pub(super) async fn failure(&mut self) -> Option<(TopicPartition, LaneFailure)> {
        self.failed.recv().await
    }

    /// What is settled and was not yet sent to be committed.
    pub(super) fn uncommitted(&mut self) -> Option<Vec<Progress>> {
        let mut changed = Vec::new();
        for (partition, open) in &mut self.open {
            let settled = open.lane.settled(self.max_metadata_bytes);
            if settled != open.committed
                && let Some((next, metadata)) = settled.clone()
            {
                open.committed = settled;
                let epoch = open.epoch;
                self.engine.observers.notify(&Observation::CommitSent { partition, epoch, next });
                let partition = partition.clone();
                changed.push(Progress { partition, epoch, next, metadata });
            }
        }
        (!changed.is_empty()).then_some(changed)
    }

    /// Takes note of what the group has.
    pub(super) fn acknowledged(&mut self, progress: Vec<Progress>) {
        self.engine.committed(&progress);
        for Progress { partition, epoch, next, metadata } in progress {
            if let Some(open) = self.open.get_mut(&partition)
                && open.epoch == epoch
            {
                open.acknowledged = Some((next, metadata));
            }
        }
    }

    /// Forgets what was sent, so that the next commit sends it again.
    pub(super) fn commit_again(&mut self, error: &BrokerError) {
        self.engine.observers.notify(&Observation::CommitFailed(error));
        // Several may be refused for one reason: each says how much it had.
        if let BrokerError::MetadataTooLarge { bytes } = error {
            self.max_metadata_bytes = self.max_metadata_bytes.min(bytes / 2);
        }
        for open in self.open.values_mut() {
            open.committed = None;
        }
    }

    /// Stops the lanes of a revocation; the partitions are released when the records in flight are
    /// dealt with, while the others go on. What is lost already is another member's, so nothing is
    /// waited for.
    pub(super) fn give_up(&mut self, revocation: Revocation) {
        let lanes: BTreeMap<_, _> =
            revocation.partitions.iter().filter_map(|p| self.open.remove_entry(p)).collect();
        // At once, so that nothing more of them is started.
        lanes.values().for_each(|open| open.lane.stop());
        let mut epochs = BTreeMap::<_, Vec<_>>::new();
        for (partition, open) in &lanes {
            epochs.entry(open.epoch).or_default().push(partition.clone());
        }
        for (epoch, partitions) in epochs {
            let (partitions, lost) = (&partitions, revocation.lost);
            self.engine.observers.notify(&Observation::Revoked { partitions, epoch, lost });
        }
        let engine = Arc::clone(&self.engine);
        let wait = if revocation.lost { Duration::ZERO } else { engine.policy.drain_timeout };
        let max_metadata_bytes = self.max_metadata_bytes;
        let deadline = Instant::now() + wait;
        while self.releasing.try_join_next().is_some() {}
        self.releasing.spawn(async move {
            let mut drained = finish(&engine, lanes, deadline, max_metadata_bytes).await;
            revocation.release(std::mem::take(&mut drained.progress));
            drained
        });
    }

    /// Stops all lanes and waits for the records in flight, and for what is being released.
    pub(super) async fn drain(&mut self, deadline: Instant) -> Drained {
        let lanes = std::mem::take(&mut self.open);
        // What was released before was reported then.
        while self.releasing.try_join_next().is_some() {}
        let mut drained = finish(&self.engine, lanes, deadline, self.max_metadata_bytes).await;
        while let Ok(Some(released)) =
            timeout_at(deadline + RELEASE_GRACE, self.releasing.join_next()).await
        {
            if let Ok(released) = released {
                drained.abandoned += released.abandoned;
                drained.in_flight.extend(released.in_flight);
            }
        }
        drained.failure = self.failed.try_recv().ok();
        drained
    }
}

async fn finish(
    engine: &Engine,
    mut lanes: BTreeMap<TopicPartition, OpenLane>,
    deadline: Instant,
    max_metadata_bytes: usize,
) -> Drained {
    lanes.values().for_each(|open| open.lane.stop());
    let mut late = Vec::new();
    for (partition, open) in &mut lanes {
        if timeout_at(deadline, open.lane.ended()).await.is_err() {
            // Named before it is cut off, when nothing is in flight any more.
            let in_flight = engine.in_flight(Some(partition));
            late.push((partition, &mut open.lane, in_flight));
        }
    }
    // All are cut off before the first is waited for, and have one moment together: when handlers
    // block every thread, each would need all of its own.
    join_all(late.iter_mut().map(|(_, lane, _)| lane.abort())).await;
    let mut drained = Drained::default();
    for (partition, lane, in_flight) in late {
        // An idle one may not have been notified yet, where nothing was waited for.
        if !lane.has_in_flight() {
            continue;
        }
        drained.abandoned += 1;
        engine.observers.notify(&Observation::Abandoned {
            partition,
            next: lane.settled(max_metadata_bytes).map(|(next, _)| next),
            in_flight: &in_flight,
        });
        drained.in_flight.extend(in_flight);
    }
    for (partition, open) in lanes {
        if let Some((next, metadata)) = open.lane.settled(max_metadata_bytes) {
            let is_known =
                open.acknowledged.is_some_and(|(known, with)| known == next && with == metadata);
            let progress = Progress { partition, epoch: open.epoch, next, metadata };
            if !is_known {
                drained.unacknowledged.push(progress.clone());
            }
            drained.progress.push(progress);
        }
    }
    drained
}
