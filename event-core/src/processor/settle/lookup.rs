//! Finds the handler of a record with as little reading as it takes.

use super::{Job, Read, Settler};
use crate::delivery::{Delivery, Origin, ReadEnvelope, RecordRef};
use crate::handler::Order;
use crate::processor::engine::Source;
use crate::processor::lane::Direct;
use crate::router::Route;

/// Whose a record is.
pub(in crate::processor) enum Found<'b> {
    /// The scan for its name says it: the outer object is read with its data.
    Scanned(Direct<'b>),
    /// The outer object was read.
    Read(Read),
}

impl Settler {
    /// Finds the handler of a record.
    pub(in crate::processor) fn find<'b>(&'b self, record: RecordRef<'b>) -> Found<'b> {
        match self.find_scanned(record) {
            Some(direct) => Found::Scanned(direct),
            None => Found::Read(self.read(record)),
        }
    }

    /// The record as a handler sees it in its first attempt.
    pub(in crate::processor) fn first_delivery<'a>(
        &'a self,
        record: RecordRef<'a>,
        envelope: &'a (dyn ReadEnvelope + 'a),
        route: &'a Route,
    ) -> Delivery<'a> {
        Delivery {
            partition: &self.partition,
            record,
            envelope,
            handler: &route.id,
            attempt: 1,
            attempts: self.engine.policy_of(route).all_attempts(),
            state: &self.engine.state,
            shutdown: &self.context.shutdown,
        }
    }

    /// Reports that a record was handled, in its first attempt when there is no `job`.
    pub(in crate::processor) fn handled_in(
        &self,
        route: &Route,
        record: RecordRef<'_>,
        job: Option<&Job>,
        event: &str,
    ) {
        match job {
            Some(Job { origin: Origin { partition, offset, .. }, attempt_state, .. }) => {
                self.handled(route, partition, *offset, event, attempt_state.attempt);
            }
            None => self.handled(route, &self.partition, record.offset, event, 1),
        }
    }

    /// Whether records wait here until they are due.
    pub(in crate::processor) fn has_due_times(&self) -> bool {
        matches!(self.source, Source::Derived { delay: Some(_), .. })
    }

    /// Whether a handler keeps the order of the partition, as long as its records are where they were first.
    pub(in crate::processor) fn has_order_of_partition(&self) -> bool {
        let Source::Origin(routes) = &self.source else { return false };
        routes.routes().any(|route| route.handler.options.order == Order::Partition)
    }

    /// Finds the handler of a record where the scan for its name says it, which nothing comes of.
    pub(in crate::processor) fn find_scanned<'b>(
        &'b self,
        record: RecordRef<'b>,
    ) -> Option<Direct<'b>> {
        let Source::Origin(routes) = &self.source else { return None };
        // Where a handler takes what is no event, it has to be known at once which records are none.
        let direct = if routes.takes_any_value() { None } else { self.by_name(record) }?;
        // A layer sees no record that is no event.
        (direct.route.layers.is_empty() && self.is_event(direct)).then_some(direct)
    }
}
