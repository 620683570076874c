//! The lanes of the partitions that are ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::EventProcessor;
use super::lane::{Lane, LaneFailure};
use crate::broker::{AssignedPartition, BrokerError, Progress, Revocation};
use crate::delivery::{Epoch, NextOffset, RecordBatch, TopicPartition};
use crate::observe::Observation;

/// One lane per assigned partition. Only the processor's loop touches it, so nothing here locks.
pub(super) struct Lanes {
    engine: Arc<EventProcessor>,
    open: BTreeMap<TopicPartition, OpenLane>,
    releasing: JoinSet<()>,
}

struct OpenLane {
    lane: Lane,
    epoch: Epoch,
    committed: Option<NextOffset>,
}

/// What is left when all lanes have ended.
pub(super) struct Drained {
    pub(super) progress: Vec<Progress>,
    /// How many lanes had to be cut off.
    pub(super) abandoned: usize,
}

impl Lanes {
    pub(super) fn new(engine: Arc<EventProcessor>) -> Self {
        Lanes { engine, open: BTreeMap::new(), releasing: JoinSet::new() }
    }

    pub(super) fn open(&mut self, assigned: Vec<AssignedPartition>, epoch: Epoch) {
        let partitions: Vec<_> = assigned.into_iter().map(|assigned| assigned.partition).collect();
        self.engine.observers.notify(&Observation::Assigned(&partitions));
        for partition in partitions {
            let lane = Lane::spawn(Arc::clone(&self.engine), partition.clone());
            self.open.insert(partition, OpenLane { lane, epoch, committed: None });
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

    /// A partition whose lane ended without being told to, and would stand still.
    pub(super) fn failure(&mut self) -> Option<(TopicPartition, LaneFailure)> {
        self.open.iter_mut().find_map(|(partition, open)| {
            open.lane.failure().map(|failure| (partition.clone(), failure))
        })
    }

    /// What is settled and was not yet sent to be committed.
    pub(super) fn uncommitted(&mut self) -> Option<Vec<Progress>> {
        let mut changed = Vec::new();
        for (partition, open) in &mut self.open {
            let next = open.lane.settled();
            if next != open.committed
                && let Some(next) = next
            {
                open.committed = Some(next);
                self.engine.observers.notify(&Observation::CommitSent { partition, next });
                changed.push(Progress {
                    partition: partition.clone(),
                    epoch: open.epoch,
                    next,
                    metadata: String::new(),
                });
            }
        }
        (!changed.is_empty()).then_some(changed)
    }

    /// Forgets what was sent, so that the next commit sends it again.
    pub(super) fn commit_again(&mut self, error: &BrokerError) {
        self.engine.observers.notify(&Observation::CommitFailed(error));
        for open in self.open.values_mut() {
            open.committed = None;
        }
    }

    /// Stops the lanes of a revocation; the partitions are released when the records in hand are
    /// dealt with, while the others go on. What is lost already is another member's, so nothing is
    /// waited for.
    pub(super) fn give_up(&mut self, revocation: Revocation) {
        let lanes: BTreeMap<_, _> =
            revocation.partitions.iter().filter_map(|p| self.open.remove_entry(p)).collect();
        self.engine.observers.notify(&Observation::Revoked(&revocation.partitions));
        let engine = Arc::clone(&self.engine);
        let wait = if revocation.lost { Duration::ZERO } else { engine.policy.drain_deadline };
        let deadline = Instant::now() + wait;
        while self.releasing.try_join_next().is_some() {}
        self.releasing.spawn(async move {
            let drained = finish(&engine, lanes, deadline).await;
            revocation.release(drained.progress);
        });
    }

    /// Stops all lanes and waits for the records in hand, and for what is being released.
    pub(super) async fn drain(&mut self, deadline: Instant) -> Drained {
        let lanes = std::mem::take(&mut self.open);
        let drained = finish(&self.engine, lanes, deadline).await;
        // Each has a deadline of its own, but the shutdown's may come before.
        let released = async { while self.releasing.join_next().await.is_some() {} };
        let _ = timeout_at(deadline, released).await;
        drained
    }
}

async fn finish(
    engine: &EventProcessor,
    mut lanes: BTreeMap<TopicPartition, OpenLane>,
    deadline: Instant,
) -> Drained {
    for open in lanes.values_mut() {
        open.lane.stop();
    }
    let mut drained = Drained { progress: Vec::new(), abandoned: 0 };
    for (partition, mut open) in lanes {
        if timeout_at(deadline, open.lane.ended()).await.is_err() {
            open.lane.abort().await;
            drained.abandoned += 1;
            let next = open.lane.settled();
            engine.observers.notify(&Observation::Abandoned { partition: &partition, next });
        }
        engine.health.clear(&partition);
        if let Some(next) = open.lane.settled() {
            drained.progress.push(Progress {
                partition,
                epoch: open.epoch,
                next,
                metadata: String::new(),
            });
        }
    }
    drained
}
