//! The lanes of the partitions that are ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::EventProcessor;
use super::lane::Lane;
use crate::broker::{BrokerError, Progress, Revocation};
use crate::delivery::{Epoch, NextOffset, RecordBatch, TopicPartition};
use crate::observe::Observation;

/// One lane per assigned partition. Only the processor's loop touches it, so nothing here locks.
pub(super) struct Lanes {
    engine: Arc<EventProcessor>,
    open: BTreeMap<TopicPartition, OpenLane>,
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
        Lanes { engine, open: BTreeMap::new() }
    }

    pub(super) fn open(&mut self, partitions: Vec<TopicPartition>, epoch: Epoch) {
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

    /// A partition whose lane ended without being told to: it panicked, and would stand still.
    pub(super) fn ended_by_itself(&self) -> Option<TopicPartition> {
        let ended = self.open.iter().find(|(_, open)| open.lane.has_ended());
        ended.map(|(partition, _)| partition.clone())
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
                self.engine.observers.notify(&Observation::Committed { partition, next });
                changed.push(Progress { partition: partition.clone(), epoch: open.epoch, next });
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

    /// Stops the lanes of a revocation, waits for the records in hand, and releases the partitions.
    pub(super) async fn give_up(&mut self, revocation: Revocation) {
        let lanes: BTreeMap<_, _> =
            revocation.partitions.iter().filter_map(|p| self.open.remove_entry(p)).collect();
        let drained = self.finish(lanes).await;
        self.engine.observers.notify(&Observation::Revoked(&revocation.partitions));
        revocation.release(drained.progress);
    }

    /// Stops all lanes and waits for the records in hand.
    pub(super) async fn drain(&mut self) -> Drained {
        let lanes = std::mem::take(&mut self.open);
        self.finish(lanes).await
    }

    async fn finish(&self, mut lanes: BTreeMap<TopicPartition, OpenLane>) -> Drained {
        let deadline = Instant::now() + self.engine.policy.drain_deadline;
        for open in lanes.values_mut() {
            open.lane.stop();
        }
        let mut drained = Drained { progress: Vec::new(), abandoned: 0 };
        for (partition, mut open) in lanes {
            if timeout_at(deadline, open.lane.ended()).await.is_err() {
                open.lane.abort().await;
                drained.abandoned += 1;
                let next = open.lane.settled();
                let partition = &partition;
                self.engine.observers.notify(&Observation::Abandoned { partition, next });
            }
            self.engine.health.clear(&partition);
            if let Some(next) = open.lane.settled() {
                drained.progress.push(Progress { partition, epoch: open.epoch, next });
            }
        }
        drained
    }
}
