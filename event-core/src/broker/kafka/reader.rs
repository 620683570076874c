//! Reads partitions without a group, on a thread of its own.
//!
//! librdkafka reports the end of a partition by its offset. Only that ends a partition whose last
//! offsets hold no record, as after compaction or at the end of a transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::Offset as NativeOffset;
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::KafkaSettings;
use super::admin_client::AdminClient;
use super::assignment::Owned;
use super::batch::{Expected, OpenBatch};
use super::budget::Budget;
use super::errors;
use super::inspection;
use super::raw::{FetchQueue, MessageView};
use crate::broker::{BrokerError, ReadRequest, Reader};
use crate::delivery::{NextOffset, RecordBatch, TopicPartition};

/// How long it may take to find out what the partitions hold.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a thread that waits for an answer looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// How many batches may wait for the one who reads.
const WAITING: usize = 4;
/// At which size a batch is handed over is reckoned from this, as if for a consumer.
const BUDGET_BYTES: usize = 4 << 20;
/// How long an idle fetch may hide that nobody reads any more.
const IDLE_FETCH: Duration = Duration::from_millis(20);
const FETCH: usize = 512;
/// The same error is reported again after this.
const REPEAT_AFTER: Duration = Duration::from_secs(10);

type Answer = Result<RecordBatch, BrokerError>;

/// A reader of a Kafka cluster. A transient error is reported, and the reader goes on.
pub struct KafkaReader {
    answers: Receiver<Answer>,
}

impl KafkaReader {
    pub(super) fn start(
        settings: &KafkaSettings,
        request: ReadRequest,
    ) -> Result<KafkaReader, BrokerError> {
        let admin = AdminClient::new(&settings.reader(), settings.clone(), START_TIMEOUT)?;
        let (sender, answers) = channel(WAITING);
        std::thread::Builder::new()
            .name("kafka-reader".to_owned())
            .spawn(move || {
                let panics = sender.clone();
                let reading = || {
                    if let Err(error) = read(&admin, &request, &sender) {
                        let _ = sender.blocking_send(Err(error));
                    }
                };
                // Silence would be taken for the end.
                if catch_unwind(AssertUnwindSafe(reading)).is_err() {
                    let reason = "the reader's thread panicked".to_owned();
                    let _ = panics.blocking_send(Err(BrokerError::Fatal(reason)));
                }
                drop((sender, panics));
                // The client may take long to go, and whoever reads must not wait for that.
                drop(admin);
            })
            .map_err(|error| BrokerError::Fatal(format!("no reader thread: {error}")))?;
        Ok(KafkaReader { answers })
    }
}

impl KafkaReader {
    /// Whether the end is reached without a record or an error, for a thread that may wait.
    pub(super) fn is_empty_within(&mut self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        loop {
            match self.answers.try_recv() {
                Ok(_) => return false,
                Err(TryRecvError::Disconnected) => return true,
                Err(TryRecvError::Empty) if Instant::now() >= until => return false,
                Err(TryRecvError::Empty) => std::thread::sleep(LOOK_PAUSE),
            }
        }
    }
}

impl Reader for KafkaReader {
    async fn next(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }
}

/// A partition that is not read to its end.
struct Open {
    partition: TopicPartition,
    to: Option<NextOffset>,
    batch: Option<OpenBatch>,
}

/// Why reading stops before the end.
enum Stop {
    NobodyReads,
    Failed(BrokerError),
}

fn read(
    admin: &AdminClient,
    request: &ReadRequest,
    sender: &Sender<Answer>,
) -> Result<(), BrokerError> {
    let fetch_queue = FetchQueue::new(&admin.client)
        .ok_or_else(|| BrokerError::Fatal("the reader's queue could not be made".to_owned()))?;
    let open = begin(admin, request, &fetch_queue)?;
    let budget = Budget::new(BUDGET_BYTES);
    budget.add_partitions(open.len());
    let mut reading = Reading { admin, sender, fetch_queue, open, budget, emitted: None };
    match reading.run() {
        Ok(()) | Err(Stop::NobodyReads) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Finds out where each partition begins and ends, and assigns those that hold something to read.
fn begin(
    admin: &AdminClient,
    request: &ReadRequest,
    fetch_queue: &FetchQueue,
) -> Result<Vec<Open>, BrokerError> {
    let partitions: Vec<_> = request.partitions.iter().map(|(at, _, _)| at.clone()).collect();
    let watermarks = inspection::watermarks(admin, &partitions)?;
    let watermarks = watermarks.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut list = TopicPartitionList::new();
    let mut open = Vec::new();
    for ((partition, from, to), watermarks) in request.partitions.iter().zip(watermarks) {
        // An offset that is not there would be replaced by the earliest, and everything read again.
        let from = (*from).clamp(watermarks.low, watermarks.end);
        let to = if request.follow {
            *to
        } else {
            Some(to.map_or(watermarks.end, |to| to.min(watermarks.end)))
        };
        if to.is_some_and(|to| from >= to) {
            continue;
        }
        let (topic, number) = (partition.topic.as_str(), partition.partition);
        let from = NativeOffset::Offset(from.0);
        list.add_partition_offset(topic, number, from)
            .map_err(|error| BrokerError::Other(error.to_string()))?;
        if !fetch_queue.forward(topic, number) {
            return Err(BrokerError::Fatal(format!("the queue of {partition} was not found")));
        }
        open.push(Open { partition: partition.clone(), to, batch: None });
    }
    admin
        .client
        .assign(&list)
        .map_err(|error| BrokerError::Other(format!("the partitions cannot be read: {error}")))?;
    Ok(open)
}

struct Reading<'a> {
    admin: &'a AdminClient,
    sender: &'a Sender<Answer>,
    fetch_queue: FetchQueue,
    open: Vec<Open>,
    budget: Arc<Budget>,
    emitted: Option<(Code, Instant)>,
}

impl Reading<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        while !self.open.is_empty() {
            if self.sender.is_closed() {
                return Err(Stop::NobodyReads);
            }
            while let Some(served) = self.admin.poll() {
                if let Err(error) = served
                    && let Some(code) = error.rdkafka_error_code()
                {
                    self.emit(code, None)?;
                }
            }
            if self.fetch(Duration::ZERO, FETCH)? == 0 {
                self.hand_over_all()?;
                self.fetch(IDLE_FETCH, 1)?;
            }
        }
        Ok(())
    }

    fn fetch(&mut self, timeout: Duration, max: usize) -> Result<usize, Stop> {
        let mut stop = Ok(());
        let mut errors = Vec::new();
        let Reading { fetch_queue, open, sender, admin, budget, .. } = self;
        let count = fetch_queue.fetch(timeout, max, |message| {
            if stop.is_err() {
                return;
            }
            let Some(index) = open.iter().position(|one| one.is_of(&message)) else { return };
            let one = &mut open[index];
            let is_over = match message.error() {
                None if one.to.is_some_and(|to| message.offset() >= to.0) => true,
                None => {
                    stop = one.push(message, budget, sender);
                    one.to.is_some_and(|to| message.offset() + 1 >= to.0)
                }
                Some((Code::PartitionEOF, _)) => one.to.is_some_and(|to| message.offset() >= to.0),
                Some((code, reason)) if errors::is_damage(code) => {
                    let place = errors::RecordLocation {
                        topic: message.topic(),
                        partition: message.partition(),
                        offset: message.offset(),
                    };
                    let damage = errors::of_damage(Some(place), code, &reason);
                    stop = one.hand_over(budget, sender).and(Err(Stop::Failed(damage)));
                    false
                }
                Some((code, reason)) => {
                    admin.last_error.note(code, &reason);
                    errors.push((code, message.topic().to_owned()));
                    false
                }
            };
            if is_over && stop.is_ok() {
                let mut one = open.swap_remove(index);
                stop = one.hand_over(budget, sender);
                one.pause(admin);
            }
        });
        stop?;
        for (code, topic) in errors {
            self.emit(code, Some(&topic))?;
        }
        Ok(count)
    }

    fn hand_over_all(&mut self) -> Result<(), Stop> {
        let mut open = self.open.iter_mut();
        open.try_for_each(|one| one.hand_over(&self.budget, self.sender))
    }

    fn emit(&mut self, code: Code, topic: Option<&str>) -> Result<(), Stop> {
        // It is no member of the group that librdkafka wants named, and needs no right to it.
        let is_of_group = matches!(
            code,
            Code::GroupAuthorizationFailed | Code::WaitingForCoordinator | Code::PartitionEOF
        );
        let now = Instant::now();
        let is_emitted = self
            .emitted
            .is_some_and(|(emitted, at)| emitted == code && now.duration_since(at) < REPEAT_AFTER);
        if is_of_group || is_emitted {
            return Ok(());
        }
        self.emitted = Some((code, now));
        let error = errors::of_client(code, topic, self.admin.address(), &self.admin.last_error);
        if error.is_retriable() { send(self.sender, Err(error)) } else { Err(Stop::Failed(error)) }
    }
}

impl Open {
    fn is_of(&self, message: &MessageView<'_>) -> bool {
        self.partition.partition == message.partition()
            && self.partition.topic.as_str() == message.topic()
    }

    fn push(
        &mut self,
        message: MessageView<'_>,
        budget: &Arc<Budget>,
        sender: &Sender<Answer>,
    ) -> Result<(), Stop> {
        let batch = self.batch.get_or_insert_with(|| {
            let owned = Owned::by_nobody(self.partition.clone());
            OpenBatch::new(owned, budget, Expected::default())
        });
        batch.push(message);
        if batch.is_full() { self.hand_over(budget, sender) } else { Ok(()) }
    }

    fn hand_over(&mut self, budget: &Arc<Budget>, sender: &Sender<Answer>) -> Result<(), Stop> {
        match self.batch.take() {
            Some(batch) => send(sender, Ok(batch.finish(budget))),
            None => Ok(()),
        }
    }

    /// Fetches no more of it.
    fn pause(&self, admin: &AdminClient) {
        let mut list = TopicPartitionList::new();
        list.add_partition(self.partition.topic.as_str(), self.partition.partition);
        // What comes all the same is dropped.
        let _ = admin.client.pause(&list);
    }
}

fn send(sender: &Sender<Answer>, answer: Answer) -> Result<(), Stop> {
    sender.blocking_send(answer).map_err(|_| Stop::NobodyReads)
}
