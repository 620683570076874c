//! The producer port.
//!
//! One thread polls librdkafka for delivery reports; each completes the future of its record.
//! What is in librdkafka's queue is bounded here, well below the queue's own limit: a full queue
//! would mean sleeping and sending again, and with that another order. Records above the bound
//! wait in a line of ours and enter in the order of the `send` calls.
//!
//! A client that failed for good never sends again. The thread then makes another one for the line,
//! and what the old one still had is answered with an error.

mod line;

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::{Notify, oneshot};

use super::KafkaSettings;
use super::open_clients::OpenClient;
use super::raw;
use super::trouble::{self, Heard};
use crate::broker::{Acknowledged, BrokerError, OutgoingRecord, PortFuture, Producer};
use crate::delivery::{Offset, TopicPartition};
use crate::event::TopicName;
use line::Line;

/// librdkafka's own limits are 100 000 messages and 1 GiB.
const MAX_IN_FLIGHT_RECORDS: usize = 20_000;
const MAX_IN_FLIGHT_BYTES: usize = 128 << 20;
/// How often the thread looks whether it should end.
const POLL: Duration = Duration::from_millis(100);
/// The same while librdkafka has no room.
const FULL_POLL: Duration = Duration::from_millis(2);
/// A client that failed answers what it had at once when it is told to give it up.
const PURGE_DEADLINE: Duration = Duration::from_secs(5);

/// A producer on Kafka. Dropping it gives up what is not acknowledged: flush first.
pub(super) struct KafkaProducer {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

type Client = BaseProducer<DeliveryContext>;

struct Shared {
    line: Mutex<Line>,
    settled: Notify,
    settings: KafkaSettings,
    heard: Arc<Heard>,
}

/// A record that is not settled yet; librdkafka carries it to the delivery report.
struct Pending {
    topic: TopicName,
    partition: Option<i32>,
    bytes: usize,
    turn: u64,
    reply: oneshot::Sender<Result<Acknowledged, BrokerError>>,
}

impl KafkaProducer {
    pub(super) fn start(settings: &KafkaSettings) -> Result<KafkaProducer, BrokerError> {
        let heard = Arc::new(Heard::of(settings));
        let client = connect(settings, &heard)?;
        let shared = Arc::new(Shared {
            line: Mutex::new(Line::new(Arc::clone(&client))),
            settled: Notify::new(),
            settings: settings.clone(),
            heard,
        });
        client.context().answer_to(&shared);
        let stop = Arc::new(AtomicBool::new(false));
        let (polled, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("kafka-producer".to_owned())
            .spawn(move || {
                let mut client = client;
                let mut timeout = POLL;
                while !stopped.load(Ordering::Relaxed) {
                    client.poll(timeout);
                    if let Some((code, reason)) = client.client().fatal_error() {
                        let reason = trouble::of_failed_producer(code, reason);
                        client = polled.replace(client, &reason);
                    }
                    timeout = if polled.advance() { POLL } else { FULL_POLL };
                }
                polled.give_up();
            })
            .map_err(|error| BrokerError::Fatal(format!("no producer thread: {error}")))?;
        Ok(KafkaProducer { shared, stop })
    }
}

fn connect(settings: &KafkaSettings, heard: &Arc<Heard>) -> Result<Arc<Client>, BrokerError> {
    let context = DeliveryContext {
        shared: Mutex::default(),
        heard: Arc::clone(heard),
        failed: OnceLock::new(),
        _open: OpenClient::new(),
    };
    let client = BaseProducer::from_config_and_context(&settings.producer(), context)
        .map_err(|error| trouble::of_creation(&error))?;
    Ok(Arc::new(client))
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
        let (reply, answer) = oneshot::channel();
        self.shared.enter(record, reply);
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| {
                Err(BrokerError::Other("the producer was closed before an answer".to_owned()))
            })
        })
    }

    fn flush(&self, deadline: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
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
            tokio::time::timeout(deadline, settled).await.map_err(|_| {
                let open = self.shared.line().open_before(turn);
                self.shared.heard.refusal().unwrap_or_else(|| BrokerError::TimedOut {
                    what: format!("{open} records"),
                    last_heard: self.shared.heard.reason(),
                })
            })
        })
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(
        &self,
        record: OutgoingRecord,
        reply: oneshot::Sender<Result<Acknowledged, BrokerError>>,
    ) {
        let length = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, bytes::Bytes::len);
        let headers: usize =
            record.headers.iter().map(|header| header.name.len() + length(&header.value)).sum();
        let mut line = self.line();
        let pending = Box::new(Pending {
            topic: record.topic.clone(),
            partition: record.partition,
            bytes: length(&record.key) + length(&record.value) + headers,
            turn: line.begin(),
            reply,
        });
        line.waiting.push_back((record, pending));
        self.fill(&mut line);
    }

    /// Moves records from the line into librdkafka as long as there is room. Under the lock, so
    /// that the order of the line is the order in librdkafka.
    fn fill(&self, line: &mut Line) {
        while line.has_room()
            && let Some((record, pending)) = line.waiting.pop_front()
        {
            let bytes = pending.bytes;
            match enqueue(&line.client, &record, pending) {
                Ok(()) => {
                    line.records += 1;
                    line.bytes += bytes;
                }
                // The thread makes a new client, and then fills it.
                Err((_, pending)) if line.client.client().fatal_error().is_some() => {
                    line.waiting.push_front((record, pending));
                    return;
                }
                // The user made librdkafka's queue smaller than our bound. It also still counts
                // the records of the delivery report that is being worked on.
                Err((Code::QueueFull, pending)) => {
                    line.waiting.push_front((record, pending));
                    line.is_starved = true;
                    return;
                }
                Err((code, pending)) => self.settle(line, *pending, Err(code)),
            }
        }
    }

    /// Answers a record and counts it out.
    fn settle(&self, line: &mut Line, pending: Pending, result: Result<(i32, i64), Code>) {
        let result = result.map_err(|code| {
            trouble::of_delivery(
                code,
                &pending.topic,
                pending.partition,
                pending.bytes,
                &self.heard,
            )
        });
        self.answer(line, pending, result);
    }

    fn answer(&self, line: &mut Line, pending: Pending, result: Result<(i32, i64), BrokerError>) {
        line.end(pending.turn);
        let answer = result.map(|(partition, offset)| Acknowledged {
            partition: TopicPartition { topic: pending.topic, partition },
            offset: Offset(offset),
        });
        // Nobody waits any more: the record is sent all the same.
        let _ = pending.reply.send(answer);
        self.settled.notify_waiters();
    }

    fn delivered(
        &self,
        pending: Pending,
        result: Result<(i32, i64), Code>,
        failed: Option<&String>,
    ) {
        let mut line = self.line();
        line.records -= 1;
        line.bytes -= pending.bytes;
        if result.is_ok() {
            self.heard.note_answer();
        }
        // librdkafka gives up what it has when it fails, before the client is replaced.
        let failed = || {
            let present = || line.client.client().fatal_error().map(|(_, reason)| reason);
            failed.cloned().or_else(present)
        };
        let failed = if result.is_err() { failed() } else { None };
        match failed {
            Some(reason) => {
                let error = trouble::of_replacement(&pending.topic, &reason);
                self.answer(&mut line, pending, Err(error));
            }
            None => self.settle(&mut line, pending, result),
        }
        self.fill(&mut line);
    }

    /// Puts a new client in the place of one that failed for good, and answers what that one had.
    /// What waits in the line goes to the new one.
    fn replace(self: &Arc<Self>, old: Arc<Client>, reason: &str) -> Arc<Client> {
        let new = match connect(&self.settings, &self.heard) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(%error, "no producer in the place of one that failed: {reason}");
                let mut line = self.line();
                while let Some((_, pending)) = line.waiting.pop_front() {
                    let error = BrokerError::Fatal(format!(
                        "{reason}; and no new producer could be made ({error}): restart the process"
                    ));
                    self.answer(&mut line, *pending, Err(error));
                }
                return old;
            }
        };
        tracing::warn!("the producer failed for good and is replaced: {reason}");
        new.context().answer_to(self);
        self.line().client = Arc::clone(&new);
        // Only this thread replaces, so that it is empty.
        let _ = old.context().failed.set(reason.to_owned());
        old.purge(PurgeConfig::default().queue().inflight());
        let until = Instant::now() + PURGE_DEADLINE;
        while old.in_flight_count() > 0 && Instant::now() < until {
            old.poll(FULL_POLL);
        }
        // What waited for the old one.
        self.fill(&mut self.line());
        new
    }

    /// Tries again what librdkafka had no room for, between two polls; says whether all of it
    /// went in.
    fn advance(&self) -> bool {
        let mut line = self.line();
        while line.is_starved {
            line.is_starved = false;
            self.fill(&mut line);
            if !line.is_starved || line.records > 0 {
                break;
            }
            // Nothing is under way: the record alone is larger than the queue.
            if let Some((_, pending)) = line.waiting.pop_front() {
                self.settle(&mut line, *pending, Err(Code::QueueFull));
            }
        }
        !line.is_starved
    }

    /// Answers what waits; what librdkafka has, it answers when the client is dropped.
    fn give_up(&self) {
        let mut line = self.line();
        while let Some((_, pending)) = line.waiting.pop_front() {
            self.settle(&mut line, *pending, Err(Code::PurgeQueue));
        }
    }
}

fn enqueue(
    client: &Client,
    record: &OutgoingRecord,
    pending: Box<Pending>,
) -> Result<(), (Code, Box<Pending>)> {
    let Ok(topic) = CString::new(record.topic.as_str()) else {
        return Err((Code::InvalidTopic, pending));
    };
    raw::produce(client, &topic, record, pending)
}

struct DeliveryContext {
    shared: Mutex<Weak<Shared>>,
    heard: Arc<Heard>,
    /// Why the client failed for good, once it is replaced.
    failed: OnceLock<String>,
    _open: OpenClient,
}

impl DeliveryContext {
    fn answer_to(&self, shared: &Arc<Shared>) {
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
    }
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        trouble::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.heard.note(code, reason);
        }
    }
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Box<Pending>) {
        let result = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(Code::Unknown)),
        };
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        // While the client is being dropped there is no line any more; dropping `pending`
        // answers its future.
        if let Some(shared) = shared {
            shared.delivered(*pending, result, self.failed.get());
        }
    }
}

#[cfg(test)]
mod tests;
