//! How far partitions were read, and where one goes on whose log was truncated.
//!
//! librdkafka goes to where the epochs of the log and of the position part by itself, or to the
//! beginning where the position has no epoch or the records there were removed, without an event: it shows
//! in the offset of the next record, which is not the one that was expected.
//! (`auto.offset.reset=error` would report it, but with one code for all reasons, and it then refuses to
//! seek.)

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, TopicPartitionList};
use rustc_hash::FxHashMap;

use super::admin_client::AdminClient;
use super::assignment::Assignment;
use super::committed::names;
use super::inspection;
use super::open_batches::{CutOff, Passed};
use super::raw::{FetchQueue, committed_in, leader_epochs_in, set_last_leader_epoch};
use super::rebalance::GroupContext;
use super::standstill::Standstill;
use super::{KafkaReader, KafkaSettings, errors};
use crate::broker::{BrokerError, ConsumerEvent, OffsetReset, OutOfRange, ReadRequest};
use crate::delivery::{Epoch, NextOffset, TopicPartition};

/// How often it is looked how far partitions were read.
const LOOK: Duration = Duration::from_millis(500);
/// How many ends a member has looked at side by side: each is a client of its own.
const LOOKS_AT_ONCE: usize = 2;
/// How long looking may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the leaders may take to say their epochs.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long librdkafka may take to go elsewhere. It asks nobody.
const SEEK_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two tries.
const SEEK_PAUSE: Duration = Duration::from_millis(5);

/// What a member of a group learns about positions. Where its group has none, the assignment says where
/// to begin.
pub(super) fn configure(config: &mut ClientConfig, out_of_range: OutOfRange) {
    let reset = match out_of_range {
        OutOfRange::Earliest => "earliest",
        OutOfRange::Latest => "latest",
        OutOfRange::Stop => "error",
    };
    config.set("auto.offset.reset", reset);
}

/// Looks how far partitions were read beyond the last record that was handed over.
///
/// The marks of transactions take offsets, and so do records that were aborted, compacted away or removed.
/// librdkafka counts a mark as read when it would be handed over. What else lies at the end of a log
/// shows only to who reads up to the end, and is no event of a consumer: with
/// `enable.partition.eof`, `rd_kafka_consume_batch_queue` counts the end as a record (librdkafka 2.12.1),
/// and after a pause the next one is skipped. So where a partition stands still before its end, another
/// client looks whether a record is left there.
pub(super) struct Positions {
    settings: KafkaSettings,
    looked: Instant,
    /// Whether messages were left in librdkafka's queue since then.
    left_messages: bool,
    still: Standstill,
    /// What another client found out.
    found: (Sender<Passed>, Receiver<Passed>),
    /// Each look that is under way holds one.
    looking: Arc<()>,
}

impl Positions {
    pub(super) fn new(settings: KafkaSettings) -> Positions {
        let (looked, still) = (Instant::now(), Standstill::default());
        let (found, looking) = (channel(), Arc::default());
        Positions { settings, looked, left_messages: false, still, found, looking }
    }

    /// How far partitions were read, when it is time to look. To be called when all that was taken is
    /// handed over; `leaves_messages` says that not all that was fetched is taken.
    pub(super) fn passed(
        &mut self,
        consumer: &BaseConsumer<GroupContext>,
        queue: &FetchQueue,
        leaves_messages: bool,
    ) -> Vec<Passed> {
        self.left_messages |= leaves_messages;
        if self.looked.elapsed() < LOOK {
            return Vec::new();
        }
        self.looked = Instant::now();
        let mut passed = Vec::new();
        if let Ok(read) = consumer.position() {
            let read =
                names(&read).into_iter().zip(committed_in(&read)).zip(leader_epochs_in(&read));
            for ((partition, read), leader_epoch) in read {
                if let Ok((Some(to), _)) = read
                    && self.is_behind(consumer, &partition, to)
                {
                    passed.push(Passed { partition, to, leader_epoch, is_sought: false });
                }
            }
        }
        let found: Vec<_> = self.found.1.try_iter().collect();
        passed.extend(found.into_iter().filter(|one| {
            let Some((epoch, next)) = self.still.position(&one.partition) else { return false };
            // What waits for the end of a transaction is looked at again later.
            if next == one.to {
                if let Some(waiting) = self.still.take_waiting(&one.partition, Instant::now()) {
                    let error = errors::of_open_transaction(&one.partition, waiting);
                    consumer.context().emit(ConsumerEvent::Error(error));
                }
                return false;
            }
            self.still.remove(&one.partition);
            is_at(consumer, &one.partition, epoch, next)
        }));
        self.look_at_ends(consumer, queue);
        passed
    }

    fn is_behind(
        &self,
        consumer: &BaseConsumer<GroupContext>,
        partition: &TopicPartition,
        to: NextOffset,
    ) -> bool {
        let owned = consumer
            .context()
            .with_assignment(|ours| ours.open(partition.topic.as_str(), partition.partition));
        owned.is_some_and(|owned| {
            owned.next.is_none_or(|next| next < to) && owned.moved_to != Some(to)
        })
    }

    /// Has the ends looked at of those partitions that stand still before them.
    fn look_at_ends(&mut self, consumer: &BaseConsumer<GroupContext>, queue: &FetchQueue) {
        let open = consumer.context().with_assignment(Assignment::fetching);
        self.still.retain(|partition| open.iter().any(|owned| *owned.partition == *partition));
        let now = Instant::now();
        if std::mem::take(&mut self.left_messages) {
            self.still.begin_anew(now);
        }
        for owned in open {
            let partition = &*owned.partition;
            let end = queue.log_end(partition.topic.as_str(), partition.partition);
            let (Some(next), Some(end)) = (owned.next, end) else { continue };
            // A broker that comes back is not asked about every partition at once.
            let has_turn = Arc::strong_count(&self.looking) <= LOOKS_AT_ONCE;
            if self.still.note(partition, owned.epoch, (next, end), now) && has_turn {
                self.still.note_look(partition, now);
                let looking = Arc::clone(&self.looking);
                let found = self.found.0.clone();
                let settings = self.settings.clone();
                let reset = consumer.context().out_of_range;
                look_at_end(settings, partition.clone(), (next, reset), found, looking);
            }
        }
    }
}

fn is_at(
    consumer: &BaseConsumer<GroupContext>,
    partition: &TopicPartition,
    epoch: Epoch,
    next: NextOffset,
) -> bool {
    let context = consumer.context();
    let owned =
        context.with_assignment(|ours| ours.open(partition.topic.as_str(), partition.partition));
    owned.is_some_and(|owned| owned.epoch == epoch && owned.next == Some(next))
}

/// Looks on a thread of its own whether a record lies between `next` and the end, and reports an end
/// before which there is none, or to which the partition is to go.
fn look_at_end(
    settings: KafkaSettings,
    partition: TopicPartition,
    (next, out_of_range): (NextOffset, OutOfRange),
    found: Sender<Passed>,
    looking: Arc<()>,
) {
    let look = move || -> Result<(), BrokerError> {
        let admin = AdminClient::new(&settings.reader(), settings.clone(), LOOK_TIMEOUT)?;
        let watermarks = inspection::watermarks(&admin, std::slice::from_ref(&partition))?;
        let Some(watermarks) = watermarks.into_iter().next().transpose()? else { return Ok(()) };
        let end = watermarks.end;
        // librdkafka is at the end of some time ago.
        let is_sought = out_of_range == OutOfRange::Latest && next < watermarks.low;
        if end > next && !is_sought {
            let partitions = vec![(partition.clone(), next, Some(end))];
            let request = ReadRequest { partitions, follow: false };
            if !KafkaReader::start(&settings, request)?.is_empty_within(LOOK_TIMEOUT) {
                return Ok(());
            }
        }
        let _ = found.send(Passed { partition, to: end, leader_epoch: None, is_sought });
        Ok(())
    };
    let look = move || {
        if let Err(error) = look() {
            tracing::debug!(%error, "the end of a partition could not be looked at");
        }
        drop(looking);
    };
    // Without a thread it is not known, as without an answer.
    let _ = std::thread::Builder::new().name("kafka-end".to_owned()).spawn(look);
}

/// Where the partition goes on, and from where it is fetched then.
///
/// Whoever cuts a log off is a new leader, with a higher epoch than all that was written before. Without
/// one the topic was recreated, counts its epochs from 0 again, and is read from its beginning.
pub(super) fn after(
    consumer: &BaseConsumer<GroupContext>,
    queue: &FetchQueue,
    CutOff { reset, known, found }: CutOff,
) -> (OffsetReset, Offset) {
    let is_made_anew = matches!((known, found), (Some(known), Some(found)) if found <= known);
    let TopicPartition { topic, partition } = &reset.partition;
    let start = queue.log_start(topic.as_str(), *partition);
    if is_made_anew && let Some(to) = start.filter(|start| *start < reset.to) {
        return (OffsetReset { to, ..reset }, Offset::Offset(to.0));
    }
    let context = consumer.context();
    let owned = context.with_assignment(|ours| ours.open(topic.as_str(), *partition));
    let next = owned.and_then(|owned| owned.next).unwrap_or(reset.to);
    (reset, Offset::Offset(next.0))
}

/// Has librdkafka ask the leaders whether the log still has what lies before the committed offsets. By an
/// assignment alone it does not ask.
pub(super) fn validate(
    consumer: &BaseConsumer<GroupContext>,
    committed: &TopicPartitionList,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    let known = committed.elements().into_iter().zip(leader_epochs_in(committed));
    for (one, leader_epoch) in known {
        if let (Offset::Offset(next), Some(leader_epoch)) = (one.offset(), leader_epoch)
            && next > 0
        {
            list.add_partition_offset(one.topic(), one.partition(), one.offset())?;
            set_last_leader_epoch(&mut list, leader_epoch);
        }
    }
    let until = Instant::now() + SEEK_TIMEOUT;
    while list.count() > 0 {
        let sought = consumer.seek_partitions(list.clone(), SEEK_TIMEOUT)?;
        let mut sought = sought.elements().into_iter().map(|one| one.error());
        // Until the partitions that went before have stopped, those that come have not begun.
        let is_early = sought
            .any(|one| one.is_err_and(|error| error.rdkafka_error_code() == Some(Code::State)));
        if !is_early || Instant::now() >= until {
            break;
        }
        std::thread::sleep(SEEK_PAUSE);
    }
    Ok(())
}

/// Has librdkafka go back where an error message moved its position. To be called once partitions are paused,
/// by us or by librdkafka for a rebalance: it goes on at its position then.
pub(super) fn undo_moves(consumer: &BaseConsumer<GroupContext>) -> KafkaResult<()> {
    let moved = consumer.context().change_assignment(Assignment::take_moved);
    if moved.is_empty() {
        return Ok(());
    }
    let mut list = TopicPartitionList::with_capacity(moved.len());
    for (partition, next) in &moved {
        let TopicPartition { topic, partition } = &**partition;
        list.add_partition_offset(topic.as_str(), *partition, Offset::Offset(next.0))?;
    }
    let until = Instant::now() + SEEK_TIMEOUT;
    loop {
        let sought = consumer.seek_partitions(list.clone(), SEEK_TIMEOUT);
        let undone =
            sought.and_then(|sought| sought.elements().iter().try_for_each(|one| one.error()));
        // What a rebalance is about has not begun, or not ended, for a moment.
        if undone.is_ok() || Instant::now() >= until {
            return undone;
        }
        std::thread::sleep(SEEK_PAUSE);
    }
}

/// Fetches from `to` on from now on.
pub(super) fn seek(
    consumer: &BaseConsumer<GroupContext>,
    reset: &OffsetReset,
    to: Offset,
) -> KafkaResult<()> {
    let OffsetReset { partition, epoch, .. } = reset;
    let context = consumer.context();
    if !context.with_assignment(|ours| ours.is_current(partition, *epoch)) {
        return Ok(());
    }
    let next = to.to_raw().map(NextOffset);
    context.change_assignment(|ours| {
        ours.advance(partition, next, None);
        // Nothing of what was read before says of which epoch the offset is.
        if reset.to == next.unwrap_or(reset.to) {
            ours.note_leader_epoch(partition, reset.to.0 - 1, None);
        }
    });
    seek_one(consumer, partition, to)
}

/// Has librdkafka go there.
pub(super) fn seek_one(
    consumer: &BaseConsumer<GroupContext>,
    partition: &TopicPartition,
    to: Offset,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(partition.topic.as_str(), partition.partition, to)?;
    let sought = consumer.seek_partitions(list, SEEK_TIMEOUT)?;
    sought.elements().iter().try_for_each(|one| one.error())
}

/// Has the leaders say their epochs where no record says it: they begin them with the first offset that they
/// write. All are asked at once, for a cluster that lost a broker cuts many logs off.
pub(super) fn ask_epochs(consumer: &BaseConsumer<GroupContext>, cut_offs: &mut [CutOff]) {
    let mut list = TopicPartitionList::new();
    for CutOff { reset, .. } in cut_offs.iter().filter(|one| one.found.is_none()) {
        let TopicPartition { topic, partition } = &reset.partition;
        let added = list.add_partition_offset(topic.as_str(), *partition, Offset::End);
        debug_assert!(added.is_ok(), "the end is an offset");
    }
    if list.count() == 0 {
        return;
    }
    // Without an answer it is not known, and the partition goes on where it differs.
    let Ok(answer) = consumer.offsets_for_times(list, ASK_TIMEOUT) else { return };
    let epochs: FxHashMap<_, _> =
        names(&answer).into_iter().zip(leader_epochs_in(&answer)).collect();
    for cut_off in cut_offs.iter_mut().filter(|one| one.found.is_none()) {
        cut_off.found = epochs.get(&cut_off.reset.partition).copied().flatten();
    }
}
