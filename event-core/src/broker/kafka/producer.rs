//! The producer port.
//!
//! One thread takes delivery reports from librdkafka; each completes the futures of its records.
//! What is in librdkafka's queue is bounded here, well below the queue's own limit: a full queue
//! would mean sleeping and sending again, and with that another order. Records above the bound
//! wait in a line of ours and enter in the order of the `send` calls.
//!
//! A client that failed for good never sends again. The thread then makes another one for the line,
//! and what the old one still had is answered with an error.

mod line;
mod pending;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::Notify;

use super::KafkaSettings;
use super::errors::{self, LastError};
use super::open_clients::OpenClient;
use super::raw::{self, DeliveryQueue, Report};
use crate::broker::{Acknowledged, BrokerError, OutgoingRecord, PortFuture, Producer};
use line::{Line, Turns};
use pending::Answer;
pub(super) use pending::{Pending, Slot};

/// librdkafka's own limits are 100 000 messages and 1 GiB.
const MAX_IN_FLIGHT_RECORDS: usize = 20_000;
const MAX_IN_FLIGHT_BYTES: usize = 128 << 20;
/// How often the thread looks whether it should end.
const POLL: Duration = Duration::from_millis(100);
/// A client that failed answers what it had at once when it is purged.
const PURGE_TIMEOUT: Duration = Duration::from_secs(5);
const PURGE_POLL: Duration = Duration::from_millis(2);

/// A producer on Kafka. Dropping it gives up what is not acknowledged: flush first.
pub(super) struct KafkaProducer {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

type Client = BaseProducer<DeliveryContext>;
type Queue = DeliveryQueue<DeliveryContext>;
type Reports = Vec<(Pending, Report)>;

struct Shared {
    line: Mutex<Line>,
    settled: Notify,
    settings: KafkaSettings,
    last_error: Arc<LastError>,
}

impl KafkaProducer {
    pub(super) fn start(settings: &KafkaSettings) -> Result<KafkaProducer, BrokerError> {
        let last_error = Arc::new(LastError::of(settings));
        let queue = connect(settings, &last_error)?;
        let shared = Arc::new(Shared {
            line: Mutex::new(Line::new(Arc::clone(queue.producer()))),
            settled: Notify::new(),
            settings: settings.clone(),
            last_error,
        });
        let stop = Arc::new(AtomicBool::new(false));
        let (polled, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("kafka-producer".to_owned())
            .spawn(move || {
                let mut queue = queue;
                let mut reports = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    queue.serve(POLL, &mut reports);
                    polled.delivered(&mut reports, None);
                    if let Some((code, reason)) = queue.producer().client().fatal_error() {
                        let reason = errors::of_failed_producer(code, reason);
                        queue = polled.replace(queue, &reason);
                    }
                    polled.advance();
                }
                polled.give_up();
            })
            .map_err(|error| BrokerError::Fatal(format!("no producer thread: {error}")))?;
        Ok(KafkaProducer { shared, stop })
    }
}

fn connect(settings: &KafkaSettings, last_error: &Arc<LastError>) -> Result<Queue, BrokerError> {
    let context = DeliveryContext { last_error: Arc::clone(last_error), _open: OpenClient::new() };
    let client = BaseProducer::from_config_and_context(&settings.producer(), context)
        .map_err(|error| errors::of_creation(&error))?;
    DeliveryQueue::new(Arc::new(client))
        .ok_or_else(|| BrokerError::Fatal("the producer has no queue".to_owned()))
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Producer for KafkaProducer {
    fn send(
        &self,
        record: OutgoingRecord,
    ) -> PortFuture<'static, Result<Acknowledged, BrokerError>> {
        Box::pin(self.shared.enter(record))
    }

    fn flush(&self, timeout: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
        let turn = self.shared.line().close_turn();
        Box::pin(async move {
            let settled = async {
                loop {
                    let notified = self.shared.settled.notified();
                    let mut notified = std::pin::pin!(notified);
                    // Registered before looking, so that nothing settles unseen in between.
                    notified.as_mut().enable();
                    if self.shared.line().open_before(turn) == 0 {
                        return;
                    }
                    notified.await;
                }
            };
            tokio::time::timeout(timeout, settled).await.map_err(|_| {
                let open = self.shared.line().open_before(turn);
                self.shared.last_error.refusal().unwrap_or_else(|| BrokerError::TimedOut {
                    what: format!("{open} records"),
                    last_error: self.shared.last_error.reason(),
                })
            })
        })
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, record: OutgoingRecord) -> Answer {
        let topic = record.topic.clone();
        let (pending, answer) = Pending::new(topic, record.partition, record.size_bytes());
        let mut line = self.line();
        line.begin(&pending);
        if line.waiting.is_empty() && line.has_room() {
            self.hand_over(&mut line, record, pending);
        } else {
            line.waiting.push_back((record, pending));
        }
        answer
    }

    /// Moves records from the line into librdkafka as long as there is room. Under the lock, so
    /// that the order of the line is the order in librdkafka.
    fn fill(&self, line: &mut Line) {
        line.is_starved = false;
        while line.has_room()
            && let Some((record, pending)) = line.waiting.pop_front()
        {
            if !self.hand_over(line, record, pending) {
                return;
            }
        }
    }

    /// Gives one record to librdkafka; `false` when it has to wait, and is the first of the line again.
    fn hand_over(&self, line: &mut Line, record: OutgoingRecord, pending: Pending) -> bool {
        let bytes = pending.slot().bytes;
        match raw::produce(&line.client, &record, pending) {
            Ok(()) => {
                line.records += 1;
                line.bytes += bytes;
                true
            }
            // The thread makes a new client, and then fills it.
            Err((_, pending)) if line.client.client().fatal_error().is_some() => {
                line.waiting.push_front((record, pending));
                false
            }
            // The user made librdkafka's queue smaller than our bound. It also still counts
            // the records of the delivery report that is being worked on.
            Err((Code::QueueFull, pending)) => {
                line.waiting.push_front((record, pending));
                line.is_starved = true;
                false
            }
            Err((code, pending)) => {
                self.settle(line, pending, code);
                true
            }
        }
    }

    /// Answers a record that librdkafka does not have, and counts it out.
    fn settle(&self, line: &mut Line, pending: Pending, code: Code) {
        line.end(&pending);
        let error = self.error_of(code, pending.slot());
        pending.answer(Err(error));
        self.settled.notify_waiters();
    }

    fn error_of(&self, code: Code, slot: &Slot) -> BrokerError {
        errors::of_delivery(code, &slot.topic, slot.partition, slot.bytes, &self.last_error)
    }

    /// Answers what librdkafka reported, and fills it again. `failed` is why its client is replaced.
    fn delivered(&self, reports: &mut Reports, failed: Option<&str>) {
        if reports.is_empty() {
            return;
        }
        if reports.iter().any(|(_, result)| result.is_ok()) {
            self.last_error.note_answer();
        }
        let (records, mut bytes) = (reports.len(), 0);
        let mut turns = Turns::default();
        // Who waits goes on while the others are answered; so this is done without the lock.
        for (pending, result) in reports.drain(..) {
            let slot = pending.slot();
            bytes += slot.bytes;
            turns.add(slot.turn());
            // librdkafka gives up what it has when it fails, before the client is replaced.
            let present = || self.line().client.client().fatal_error().map(|(_, reason)| reason);
            let result = result.map_err(|code| match failed.map(str::to_owned).or_else(present) {
                Some(reason) => errors::of_replacement(&slot.topic, &reason),
                None => self.error_of(code, slot),
            });
            pending.answer(result);
        }
        let mut line = self.line();
        line.records -= records;
        line.bytes -= bytes;
        turns.end_in(&mut line);
        self.fill(&mut line);
        drop(line);
        self.settled.notify_waiters();
    }

    /// Puts a new client in the place of one that failed for good, and answers what that one had.
    /// What waits in the line goes to the new one.
    fn replace(&self, old: Queue, reason: &str) -> Queue {
        let new = match connect(&self.settings, &self.last_error) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(%error, "no producer in the place of one that failed: {reason}");
                let mut line = self.line();
                while let Some((_, pending)) = line.waiting.pop_front() {
                    let error = BrokerError::Fatal(format!(
                        "{reason}; and no new producer could be made ({error}): restart the process"
                    ));
                    line.end(&pending);
                    pending.answer(Err(error));
                }
                drop(line);
                self.settled.notify_waiters();
                return old;
            }
        };
        tracing::warn!("the producer failed for good and is replaced: {reason}");
        self.line().client = Arc::clone(new.producer());
        old.producer().purge(PurgeConfig::default().queue().inflight());
        let until = Instant::now() + PURGE_TIMEOUT;
        let mut reports = Vec::new();
        while old.producer().in_flight_count() > 0 && Instant::now() < until {
            old.serve(PURGE_POLL, &mut reports);
            self.delivered(&mut reports, Some(reason));
        }
        // What waited for the old one.
        self.fill(&mut self.line());
        new
    }

    /// Gives librdkafka what waits, between two polls.
    fn advance(&self) {
        let mut line = self.line();
        self.fill(&mut line);
        while line.is_starved && line.records == 0 {
            // Nothing is under way: the record alone is larger than the queue.
            line.is_starved = false;
            if let Some((_, pending)) = line.waiting.pop_front() {
                self.settle(&mut line, pending, Code::QueueFull);
            }
            self.fill(&mut line);
        }
    }

    /// Answers what waits; what librdkafka has, it answers when the client is dropped.
    fn give_up(&self) {
        let mut line = self.line();
        while let Some((_, pending)) = line.waiting.pop_front() {
            self.settle(&mut line, pending, Code::PurgeQueue);
        }
    }
}

struct DeliveryContext {
    last_error: Arc<LastError>,
    _open: OpenClient,
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.last_error.note_log(facility, message);
        errors::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.last_error.note(code, reason);
        }
    }
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = Pending;

    /// Called only while the client is being dropped, when there is no line any more: dropping `pending`
    /// answers its future. Everything else is served by [`DeliveryQueue`].
    fn delivery(&self, _: &DeliveryResult<'_>, pending: Pending) {
        drop(pending);
    }
}

#[cfg(test)]
mod tests;
