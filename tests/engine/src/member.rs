//! A member of the group: what its handlers and its engine do is taken down in the world.

use std::sync::Arc;

use bytes::Bytes;
use event_core::Delivery;
use event_core::delivery::TopicPartition;
use event_core::handler::Order;
use event_core::observe::{Observation, Observer, SkipReason};
use event_core::testing::RecordedEvent;
use tokio::time::Instant;

use crate::script::{Act, End, Script, Spoil, one_after_the_other};
use crate::world::{Assignment, Execution, Record, Settle, Shut, World};

/// A member of the group, for its handlers and as a listener to its engine.
#[derive(Clone)]
pub struct Member {
    /// Its number.
    pub number: usize,
    /// Where it lives.
    pub world: World,
}

/// An attempt in flight.
pub struct InFlightRecord {
    /// Where it is taken down.
    pub world: World,
    /// `None` when the process is dead already.
    execution: Option<usize>,
}

/// A call with a batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Its first offset, by which it is called.
    pub first: i64,
    /// How many records it has.
    pub len: usize,
    /// How it fails as a whole.
    pub spoilt: Option<Spoil>,
}

impl InFlightRecord {
    /// The attempt has come to its end.
    pub fn end(self, act: Act) {
        let Some(index) = self.execution else { return };
        let now = self.world.now();
        self.world.log(|| format!("      attempt {index} ends: {act:?}"));
        let record = &mut *self.world.record();
        record.ended(index, now, Some(act));
        if let Some(kind) = match act {
            Act::Fail | Act::RetryAfter(_) => Some("error"),
            Act::Panic => Some("panic"),
            Act::Refuse => Some("refusal"),
            Act::Unavailable => Some("something it needs is down"),
            Act::Succeed | Act::Skip | Act::SkipByError => None,
        } {
            *record.stats.failures.entry(kind).or_default() += 1;
        }
    }
}

impl Drop for InFlightRecord {
    fn drop(&mut self) {
        let Some(index) = self.execution else { return };
        let now = self.world.now();
        let record = &mut *self.world.record();
        if record.executions[index].ended.is_none() {
            record.ended(index, now, None);
            if let Some(log) = &mut record.log {
                log.push(format!("{:>12.6}       attempt {index} cancelled", now.as_secs_f64()));
            }
        }
    }
}

impl Member {
    /// An attempt begins, perhaps in a batch.
    #[must_use]
    pub fn begin(
        &self,
        delivery: &Delivery<'_>,
        batch: Option<Batch>,
    ) -> (Arc<Script>, InFlightRecord) {
        let script = self.world.script(delivery);
        let (len, spoilt) = batch.map_or((1, None), |batch| (batch.len, batch.spoilt));
        let batch = batch.map(|batch| batch.first);
        let now = self.world.now();
        let (partition, offset) = (delivery.partition, delivery.record.offset.0);
        let attempt = delivery.attempt;
        let record = &mut *self.world.record();
        let mut hand = InFlightRecord { world: self.world.clone(), execution: None };
        if record.dead.contains(&self.number) {
            return (script, hand);
        }
        let what = format!("{partition}@{offset}, attempt {attempt} by member {}", self.number);
        record.violations.extend(self.shut_out(record, delivery.handler, &what));
        if attempt > record.rules.attempts && !record.rules.retry_topics.is_empty() {
            hand.execution = self.begin_returned(record, delivery, &what);
            return (script, hand);
        }
        let Some(assignment) = record.last_of(self.number, partition) else {
            record.violations.push(format!("{what}: never assigned"));
            return (script, hand);
        };
        let mine = &record.assignments[assignment];
        let key = delivery.record.key.map(Bytes::copy_from_slice);
        for other in &record.running {
            let other = &record.executions[*other];
            let its = &record.assignments[other.assignment];
            let same = its.partition == *partition
                && !(batch.is_some() && other.batch == batch)
                && (offset == other.offset || {
                    let other = (other.order, other.key.as_ref());
                    one_after_the_other((script.order, key.as_ref()), other)
                });
            if same && other.assignment == assignment && !record.is_regained(assignment, now) {
                let wrong = format!("{what}: while {} is in flight", other.offset);
                record.violations.push(wrong);
            } else if same
                && other.assignment != assignment
                && its.lost.or(mine.lost).is_none()
                && !its.crashed
            {
                let wrong =
                    format!("{what}: {} is in flight still, and was not lost", other.offset);
                record.violations.push(wrong);
            }
        }
        let place = (self.number, partition.clone(), offset);
        let before = record.last_execution.get(&place).map(|index| &record.executions[*index]);
        let before = before.filter(|execution| execution.assignment == assignment);
        let wrong = match before {
            _ if attempt > record.rules.attempts => Some("one attempt too many".to_owned()),
            _ if record.is_regained(assignment, now) => None,
            Some(Execution {
                ended: Some((_, Some(Act::Unavailable))), attempt: before, ..
            }) => (*before != attempt).then(|| format!("attempt {before} was to be made again")),
            // It counts for nothing, and each is tried alone.
            Some(Execution { spoilt: Some(spoilt), ended, attempt: before, .. }) => {
                let delay = match spoilt {
                    Spoil::RetryAfter(delay) => *delay,
                    _ => record.rules.backoff.longest_delay(*before),
                };
                let due = ended.map(|(at, _)| at + delay);
                let right = len == 1 && *before == attempt && due.is_some_and(|due| now >= due);
                (!right).then(|| format!("{now:?}, {len} together, and not alone from {due:?} on"))
            }
            None if attempt > 1 => Some("no attempt before it".to_owned()),
            None => None,
            Some(before) if before.attempt + 1 != attempt => {
                Some(format!("after attempt {}", before.attempt))
            }
            Some(before) => {
                let delay = match before.ended {
                    Some((_, Some(Act::RetryAfter(delay)))) => delay,
                    _ => record.rules.backoff.longest_delay(attempt - 1),
                };
                let ended = before.ended.map(|(at, _)| at);
                let early = ended.is_none_or(|ended| now < ended + delay);
                early.then(|| format!("{now:?}, earlier than {delay:?} after {ended:?}"))
            }
        };
        record.violations.extend(wrong.map(|wrong| format!("{what}: {wrong}")));
        let index = record.executions.len();
        let partition = partition.clone();
        let ended = None;
        record.executions.push(Execution {
            assignment,
            partition,
            offset,
            key,
            order: script.order,
            attempt,
            batch,
            spoilt,
            ended,
        });
        record.running.insert(index);
        record.last_execution.insert(place, index);
        record.stats.attempts += 1;
        if let Some(log) = &mut record.log {
            log.push(format!("{:>12.6}       attempt {index} begins: {what}", now.as_secs_f64()));
        }
        hand.execution = Some(index);
        (script, hand)
    }

    fn settled(&self, partition: &TopicPartition, offset: i64, end: End) {
        let at = self.world.now();
        let record = &mut *self.world.record();
        let place = (self.number, partition.clone(), offset);
        let last = record.last_execution.get(&place).max(record.last_returned.get(&place));
        let executed = last.map(|index| record.executions[*index].assignment);
        let partition = partition.clone();
        match executed.or_else(|| record.last_of(self.number, &partition)) {
            Some(assignment) => record.settles.push(Settle {
                at,
                assignment,
                partition: partition.clone(),
                offset,
                end,
            }),
            None => record.violations.push(format!("{partition}@{offset} settled, never assigned")),
        }
        record.settled.entry(partition).or_default().insert(offset);
    }

    /// A call with several records fails as a whole.
    pub fn spoils(&self, spoilt: Spoil) {
        let kind = match spoilt {
            Spoil::Fail | Spoil::RetryAfter(_) => "one error for several",
            Spoil::Panic => "one panic for several",
            Spoil::OverTime => "several over time",
        };
        *self.world.record().stats.failures.entry(kind).or_default() += 1;
    }

    /// How an attempt ends now.
    #[must_use]
    pub fn act(&self, script: &Script, attempt: u32) -> Act {
        let is_down = self.world.now() < self.world.record().down_until;
        if is_down { Act::Unavailable } else { script.act(attempt) }
    }

    // What is wrong with an attempt of a handler whose breaker is open. Those that were begun in
    // that very moment are allowed.
    fn shut_out(&self, record: &Record, handler: &str, what: &str) -> Option<String> {
        let now = self.world.now();
        let shut = record.shut.get(&(self.number, handler.to_owned()))?;
        let (paused, broken) = (shut.paused, shut.broken);
        if paused.is_some_and(|since| now > since) {
            return Some(format!("{what}: paused since {paused:?}"));
        }
        let open = broken.is_some_and(|(since, pause)| now > since && now < since + pause);
        open.then(|| format!("{what}: its breaker opened, {broken:?}"))
    }

    // An attempt at a record from a retry topic. The record says where it was first, and nobody says
    // from which partition of ours it comes.
    fn begin_returned(
        &self,
        record: &mut Record,
        delivery: &Delivery<'_>,
        what: &str,
    ) -> Option<usize> {
        let (now, attempt) = (self.world.now(), delivery.attempt);
        let (partition, offset) = (delivery.partition.clone(), delivery.record.offset.0);
        let step = usize::try_from(attempt - record.rules.attempts - 1).unwrap_or(usize::MAX);
        let Some(delay) = record.rules.retry_topics.get(step).copied() else {
            record.violations.push(format!("{what}: one attempt too many"));
            return None;
        };
        let copies = self.world.copies(&partition, offset, delay);
        let mut backwards = record.assignments.iter().rev();
        let ours = backwards.position(|a| a.member == self.number && copies.contains(&a.partition));
        let Some(ours) = ours else {
            record.violations.push(format!("{what}: no copy of it was ever assigned"));
            return None;
        };
        let before = record.first_ends.get(&(partition.clone(), offset, attempt - 1));
        if before.is_none_or(|ended| now < *ended + delay) {
            let wrong = format!("{what}: {now:?} is earlier than {delay:?} after {before:?}");
            record.violations.push(wrong);
        }
        let index = record.executions.len();
        record.executions.push(Execution {
            assignment: record.assignments.len() - 1 - ours,
            partition: partition.clone(),
            offset,
            key: delivery.record.key.map(Bytes::copy_from_slice),
            order: Order::None,
            attempt,
            batch: None,
            spoilt: None,
            ended: None,
        });
        record.last_returned.insert((self.number, partition, offset), index);
        record.stats.attempts += 1;
        if let Some(log) = &mut record.log {
            log.push(format!("{:>12.6}       attempt {index} begins: {what}", now.as_secs_f64()));
        }
        Some(index)
    }

    fn shut(&self, handler: &str, change: impl FnOnce(&mut Shut)) {
        let record = &mut *self.world.record();
        change(record.shut.entry((self.number, handler.to_owned())).or_default());
    }
}

impl Observer for Member {
    fn observe(&self, observation: &Observation<'_>) {
        let now = self.world.now();
        if self.world.record().log.is_some() {
            let recorded = RecordedEvent::now(Instant::now(), observation).to_string();
            let words = recorded.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
            self.world.log(|| format!("   m{} {words}", self.number));
        }
        match observation {
            Observation::Handled { partition, offset, .. } => {
                self.settled(partition, offset.0, End::Handled);
            }
            // What the metadata of a commit says; it was counted when it was settled.
            Observation::Skipped { reason: SkipReason::SettledBefore, .. } => {}
            Observation::Skipped { partition, offset, .. } => {
                self.settled(partition, offset.0, End::Skipped);
            }
            Observation::DeadLettered { partition, offset, .. } => {
                self.settled(partition, offset.0, End::DeadLettered);
            }
            Observation::Assigned { partitions, .. } => {
                let record = &mut *self.world.record();
                for partition in *partitions {
                    let owner = self.world.broker.owner(&self.world.group, partition);
                    let member_id = owner.map_or(0, |(member, _)| member);
                    let error = record.error.get(&member_id).copied().unwrap_or_default();
                    // Whoever had it before has given it up.
                    let before =
                        record.assignments.iter_mut().filter(|a| a.partition == *partition);
                    before.for_each(|assignment| assignment.released = true);
                    record.assignments.push(Assignment {
                        member: self.number,
                        member_id,
                        partition: partition.clone(),
                        from: now,
                        until: None,
                        released: false,
                        lost: None,
                        crashed: false,
                        last_commit_failed: false,
                        error_until: error,
                    });
                }
            }
            Observation::Revoked { partitions, .. } => {
                let record = &mut *self.world.record();
                for partition in *partitions {
                    if let Some(index) = record.last_of(self.number, partition) {
                        record.assignments[index].until.get_or_insert(now);
                    }
                }
            }
            Observation::Postponed { partition, offset, attempt, .. } => {
                let record = &mut *self.world.record();
                record.stats.postponed += 1;
                if *attempt <= record.rules.attempts {
                    record.settled.entry((*partition).clone()).or_default().insert(offset.0);
                }
            }
            Observation::Paused { handler } => self.shut(handler, |shut| shut.paused = Some(now)),
            Observation::Resumed { handler } => self.shut(handler, |shut| shut.paused = None),
            Observation::BreakerOpened { handler, pause, .. } => {
                self.world.record().stats.broken += 1;
                self.shut(handler, |shut| shut.broken = Some((now, *pause)));
            }
            Observation::BreakerClosed { handler } => {
                self.shut(handler, |shut| shut.broken = None);
            }
            _ => {}
        }
    }
}
