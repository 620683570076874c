//! Looks at a record: whose it is, and what is known of it.

use std::sync::Arc;
use std::time::Duration;

use super::{AttemptState, Settler};
use crate::delivery::{Delivery, LazyEnvelope, ReadEnvelope, RecordRef};
use crate::event::time::is_out_of_range;
use crate::event::{Envelope, excerpt, for_each_ignored};
use crate::observe::{Observation, SkipReason};
use crate::outcome::Rejection;
use crate::processor::dead_letter::Failures;
use crate::processor::engine::Source;
use crate::processor::policy::{UnknownEvents, unknown_event};
use crate::processor::retry_headers::{Origin, Returned};
use crate::router::{ReadRecord, Route, TopicRoutes};

/// What is known of a record before its first attempt here.
pub(in crate::processor) struct Job {
    pub(in crate::processor) origin: Origin,
    /// Whether it comes from a retry or redrive topic.
    pub(in crate::processor) has_returned: bool,
    pub(in crate::processor) route: Arc<Route>,
    pub(in crate::processor) attempt_state: AttemptState,
}

/// What to do with a record, once it was looked at.
pub(in crate::processor) enum Read {
    /// Nothing: it is settled already.
    Skip,
    /// A handler is to have it.
    Handle(Job),
    /// No handler is to have it; it is dead-lettered for this.
    Refuse { origin: Origin, has_returned: bool, handler: Option<Arc<Route>>, rejection: Rejection },
    /// The service is to stop before it.
    Stop(String),
}

impl Settler {
    /// Looks at a record: whose it is, and what is known of it.
    pub(in crate::processor) fn read(&self, record: RecordRef<'_>) -> Read {
        let (topic, routes, delay) = match &self.source {
            Source::Origin(routes) => {
                let read = self.engine.policy.read(record);
                return match routes.of(&read) {
                    Some(route) => {
                        self.note_ignored(record, read.as_ref().ok().and_then(Option::as_ref));
                        Read::Handle(self.first_job(record, route))
                    }
                    None => self.unhandled(record, read),
                };
            }
            Source::Derived { origin, routes, delay } => (origin, routes, delay),
        };
        let mut origin = self.origin(record);
        let refuse = |origin, handler, rejection| Read::Refuse {
            origin,
            has_returned: true,
            handler,
            rejection,
        };
        let returned = match Returned::read(record, topic, &self.engine.identity.group) {
            Ok(Some(returned)) => returned,
            Ok(None) => {
                self.skip(record.offset, &self.partition, SkipReason::OtherGroup);
                return Read::Skip;
            }
            Err(rejection) => return refuse(origin, None, rejection),
        };
        origin = returned.origin;
        let Some(route) = routes.by_id(&returned.handler) else {
            let message = format!(
                "handler `{}` is not in this service any more",
                excerpt(&returned.handler, 64)
            );
            return refuse(origin, None, Rejection::Refused { code: "unknown_handler", message });
        };
        // It was within the limits where it was first; what was added since is ours.
        let read = |value| Envelope::read_with(value, self.engine.policy.envelope);
        if let Some(Err(error)) = record.value.map(read)
            && !route.handler.takes_any_value()
        {
            return refuse(origin, Some(route), error.into());
        }
        // From a retry topic there is one attempt; on the command of a person, all of them.
        let left = if delay.is_some() { 1 } else { self.engine.policy_of(&route).attempts };
        let attempt_state = AttemptState {
            attempt: returned.attempts.saturating_add(1),
            left,
            failures: Failures::since(returned.first_failure),
        };
        Read::Handle(Job { origin, has_returned: true, route, attempt_state })
    }

    /// How long a record of a retry topic has to wait still, and at most since it was first looked at:
    /// the header is text from outside, and clocks differ, so it holds the topic up no longer than its
    /// name says.
    pub(in crate::processor) fn wait_of(
        &self,
        record: RecordRef<'_>,
    ) -> Option<(Duration, Duration)> {
        let Source::Derived { origin, delay: Some(delay), .. } = &self.source else {
            return None;
        };
        let returned = Returned::read(record, origin, &self.engine.identity.group).ok()??;
        let now_ms = self.engine.clock.now().as_millisecond();
        let left_ms = u64::try_from(returned.due_ms?.saturating_sub(now_ms)).ok()?;
        (left_ms > 0).then_some((Duration::from_millis(left_ms), *delay))
    }

    /// The outer object of a record that has a handler, to be read when somebody asks for it.
    pub(in crate::processor) fn envelope_of<'a>(&self, record: RecordRef<'a>) -> LazyEnvelope<'a> {
        LazyEnvelope::new(record.value, self.engine.policy.envelope)
    }

    /// Reports the fields of a record with a handler that cannot be read and count as absent.
    pub(in crate::processor) fn note_ignored(
        &self,
        record: RecordRef<'_>,
        envelope: Option<&Envelope<'_>>,
    ) {
        if is_out_of_range(record.timestamp_ms) || envelope.is_some_and(Envelope::has_ignored) {
            self.report_ignored(record, envelope);
        }
    }

    #[cold]
    fn report_ignored(&self, record: RecordRef<'_>, envelope: Option<&Envelope<'_>>) {
        let event = event_of(record, envelope);
        let partition = &self.partition;
        for_each_ignored(record.timestamp_ms, envelope, |field| {
            let ignored = self.engine.health.ignored_fields();
            let count = ignored.count(&partition.topic, event, field);
            let offset = record.offset;
            self.engine.observers.notify(&Observation::FieldIgnored {
                partition,
                offset,
                event,
                field,
                count,
            });
        });
    }

    /// What becomes of a record that nobody in this group handles.
    pub(super) fn unhandled(&self, record: RecordRef<'_>, read: ReadRecord<'_>) -> Read {
        let engine = &*self.engine;
        let (group, topic) = (&engine.identity.group, &self.partition.topic);
        let handles = |routes: &TopicRoutes| routes.of(&read).is_some();
        let other = match &read {
            Ok(_) => engine.sibling_groups.take(group, topic, handles),
            // Another group may take every record: what is of other makers is its business. An event that is
            // damaged may be ours, and each group that has handlers for events refuses it.
            Err(rejection) if is_of_another_maker(rejection) => {
                engine.sibling_groups.handling(topic, handles)
            }
            Err(_) => None,
        };
        let has_other = other.is_some();
        let envelope = match read {
            Ok(envelope) => envelope,
            Err(_) if has_other => None,
            Err(rejection) => return self.refuse(record, rejection),
        };
        let reason = match &envelope {
            _ if has_other => SkipReason::OtherGroup,
            Some(envelope) => SkipReason::UnknownEvent(envelope.event_type()),
            None => SkipReason::Tombstone,
        };
        if let SkipReason::UnknownEvent(name) = reason {
            match engine.policy.unknown_events(topic.as_str()) {
                UnknownEvents::Skip => {}
                UnknownEvents::DeadLetter => {
                    engine.health.unknown_events().count(name);
                    return self.refuse(record, unknown_event(name));
                }
                UnknownEvents::Stop => return Read::Stop(excerpt(name, 64)),
            }
        }
        self.skip(record.offset, &self.partition, reason);
        Read::Skip
    }

    /// A record of a topic that handlers listen to, which none of them is to have.
    pub(super) fn refuse(&self, record: RecordRef<'_>, rejection: Rejection) -> Read {
        Read::Refuse { origin: self.origin(record), has_returned: false, handler: None, rejection }
    }

    /// Where a record lies.
    fn origin(&self, record: RecordRef<'_>) -> Origin {
        Origin {
            partition: self.partition.clone(),
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
        }
    }

    /// The record as a handler sees it, which is as it was first.
    pub(in crate::processor) fn delivery<'a>(
        &'a self,
        record: RecordRef<'a>,
        envelope: &'a (dyn ReadEnvelope + 'a),
        job: &'a Job,
    ) -> Delivery<'a> {
        let Origin { partition, offset, timestamp_ms } = &job.origin;
        Delivery {
            partition,
            record: record.as_of(*offset, *timestamp_ms),
            envelope,
            handler: &job.route.id,
            attempt: job.attempt_state.attempt,
            attempts: self.last_attempt(job),
            state: &self.engine.state,
            shutdown: &self.context.shutdown,
        }
    }

    pub(in crate::processor) fn first_job(&self, record: RecordRef<'_>, route: &Arc<Route>) -> Job {
        let origin = self.origin(record);
        Job {
            origin,
            has_returned: false,
            attempt_state: AttemptState::first(self.engine.policy_of(route)),
            route: Arc::clone(route),
        }
    }
}

/// What a record is called that goes to a handler.
pub(in crate::processor) fn event_of<'a>(
    record: RecordRef<'_>,
    envelope: Option<&'a Envelope<'_>>,
) -> &'a str {
    match (envelope, record.value) {
        (Some(envelope), _) => envelope.event_type(),
        (None, None) => "tombstone",
        // It went to the handler of what no other takes.
        (None, Some(_)) => "*",
    }
}

/// Whether it is a sound JSON value, and no event.
fn is_of_another_maker(rejection: &Rejection) -> bool {
    matches!(rejection.code(), "missing_event_type" | "not_an_object")
}
