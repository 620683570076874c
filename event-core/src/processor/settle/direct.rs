//! The direct way of a record: a scan for its name, and a poll of its handler's loop.

use std::sync::Arc;

use super::{Settled, Settler};
use crate::delivery::{LazyEnvelope, NextRecord, OpenBatch, ReadEnvelope, RecordBatch, RecordRef};
use crate::event::time::is_out_of_range;
use crate::event::{NameAt, Scanned, is_sound};
use crate::handler::Ended;
use crate::observe::Observation;
use crate::outcome::Outcome;
use crate::processor::attempt::{TimeLimit, outcome_within};
use crate::processor::engine::Source;
use crate::processor::gate::Entry;
use crate::processor::lane::Direct;
use crate::processor::watch::{Slot, watched};

impl Settler {
    /// A batch with what its records are delivered with.
    pub(in crate::processor) fn open(&self, records: RecordBatch) -> Arc<OpenBatch> {
        self.received(&records);
        self.open_copy(records)
    }

    /// The same of records that came with another batch.
    pub(in crate::processor) fn open_copy(&self, records: RecordBatch) -> Arc<OpenBatch> {
        Arc::new(OpenBatch { records, context: Arc::clone(&self.context) })
    }

    /// Reports a batch that comes to its lane.
    fn received(&self, batch: &RecordBatch) {
        if let Some(first) = batch.first_offset() {
            let (partition, records) = (batch.partition(), batch.len());
            self.engine.observers.notify(&Observation::Received { partition, first, records });
        }
    }

    /// Whether a record can take the direct way now, and to whom. What has no handler, is unusual, or waits
    /// for its handler cannot: that takes more to decide.
    pub(in crate::processor) fn direct<'b>(&'b self, record: RecordRef<'b>) -> Option<Direct<'b>> {
        let direct = self.by_name(record)?;
        let handler = self.engine.handler(direct.route);
        let is_direct =
            handler.is_direct && self.is_event(direct) && handler.gate.entry() == Entry::Open;
        is_direct.then_some(direct)
    }

    /// The handler of a record by the name that is found without reading it. Whether it is an event is not
    /// known then.
    pub(super) fn by_name<'b>(&'b self, record: RecordRef<'b>) -> Option<Direct<'b>> {
        let Source::Origin(routes) = &self.source else { return None };
        if is_out_of_range(record.timestamp_ms) || self.engine.policy.admit(record).is_err() {
            return None;
        }
        let value = record.value?;
        let name = NameAt::of(value)?;
        let event = name.text(value)?;
        Some(Direct { record, route: routes.find(event)?, event, name })
    }

    /// Whether a record is an event, as far as its handler does not say it: what decodes the event does.
    pub(super) fn is_event(&self, Direct { record, route, name, .. }: Direct<'_>) -> bool {
        let rules = self.engine.policy.envelope;
        let scanned = || Scanned::of(record.value?, name);
        self.engine.handler(route).decodes
            || scanned().is_some_and(|scanned| is_sound(scanned, rules))
    }

    /// The first attempt at a record that takes the direct way.
    pub(in crate::processor) fn first_attempt(
        &self,
        batch: &Arc<OpenBatch>,
        index: usize,
        Direct { route, name, .. }: Direct<'_>,
    ) -> NextRecord {
        NextRecord {
            batch: Arc::clone(batch),
            index,
            handler: route.index,
            attempt: 1,
            attempts: self.engine.policy_of(route).all_attempts(),
            origin: None,
            name: Some(name),
        }
    }

    /// Does what the first attempt at a record asks for, and settles it.
    pub(in crate::processor) async fn apply(
        &self,
        direct: Direct<'_>,
        ended: Ended,
        limit: TimeLimit,
        slot: &Slot,
    ) -> Settled {
        let Direct { record, route, event, .. } = direct;
        // What was decoded at once had none.
        if ended.has_ignored || !matches!(ended.result, Ok(Outcome::Handled | Outcome::Emits(_))) {
            self.note_ignored(record, self.envelope_of(record).read());
        }
        self.engine.watch.begin(slot, route.index, record.offset);
        let outcome = watched(slot, outcome_within(limit, &self.engine, ended.result)).await;
        slot.end();
        match outcome {
            Outcome::Handled => self.handled_in(route, record, None, event),
            // Whether it is an event at all is decided before its handler is, also where an argument that comes
            // before the event could not be made.
            outcome
                if !matches!(outcome, Outcome::Skipped)
                    && self.engine.policy.read(record).is_err() =>
            {
                self.engine.attempt_said_nothing(route);
                return self.settle(record, slot).await;
            }
            outcome => {
                let job = self.first_job(record, route);
                let envelope = LazyEnvelope::new(record.value, self.engine.policy.envelope);
                return Box::pin(self.go_on(record, &envelope, job, outcome, slot)).await;
            }
        }
        Ok(())
    }
}
