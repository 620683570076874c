//! Checks what was noted, when all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use event_core::broker::memory::{MemoryBroker, StoredRecord};
use event_core::delivery::TopicPartition;
use event_core::event::TopicName;
use event_core::handler::Order;

use crate::script::{End, Script};
use crate::weather::copy_id;
use crate::world::{Assignment, Record, Rules, copies, id_of};

type RecordPosition = (TopicPartition, i64);

/// Adds to the violations what is wrong in the end.
pub fn check_the_end(record: &mut Record, broker: &MemoryBroker, topics: &[TopicName]) {
    let mut wrong = Vec::new();
    let published: Vec<_> = topics.iter().flat_map(|topic| broker.records(topic)).collect();
    let letters: Vec<_> = topics
        .iter()
        .filter_map(|topic| topic.dead_letters().ok())
        .flat_map(|topic| broker.records(&topic))
        .filter(|letter| id_of(letter).is_none_or(|id| !record.lost.contains(&id)))
        .collect();
    record.stats.records += published.len() as u64;
    record.stats.letters += letters.len() as u64;

    let mut settles = BTreeMap::<RecordPosition, Vec<usize>>::new();
    for (index, settle) in record.settles.iter().enumerate() {
        let place = (settle.partition.clone(), settle.offset);
        settles.entry(place).or_default().push(index);
    }
    for stored in &published {
        let place = (stored.partition.clone(), stored.offset.0);
        let script = script_of(record, stored);
        let its = settles.get(&place).map(Vec::as_slice).unwrap_or_default();
        if its.is_empty() {
            wrong.push(format!("{}@{} is lost: {:?}", place.0, place.1, script.end));
        }
        for index in its {
            let end = record.settles[*index].end;
            if end != script.end {
                wrong.push(format!("{}@{}: {end:?}, not {:?}", place.0, place.1, script.end));
            }
        }
    }
    wrong.extend(duplicates(record, broker, &settles));
    wrong.extend(disorder(record, &published));
    wrong.extend(dead_letters(record, &settles, &published, &letters));
    record.violations.extend(wrong);
}

fn script_of<'a>(record: &'a Record, stored: &StoredRecord) -> &'a Script {
    &record.scripts[id_of(stored).unwrap_or(0)]
}

// Each second completion needs a fault that explains it, and must have been in flight then.
fn duplicates(
    record: &mut Record,
    broker: &MemoryBroker,
    settles: &BTreeMap<RecordPosition, Vec<usize>>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((partition, offset), settles) in settles {
        for pair in settles.windows(2) {
            let (first, second) = (&record.settles[pair[0]], &record.settles[pair[1]]);
            let assignment = &record.assignments[first.assignment];
            let later = &record.assignments[second.assignment];
            let copied = copied_by(record, broker, (partition, *offset), second.at);
            let cause = if copied.is_some() {
                copied
            } else if later.lost.is_some_and(|lost| lost <= second.at) {
                // It did not know yet that another goes on with its records.
                Some("partition lost, and not noticed yet")
            } else if record.is_regained(first.assignment, first.at)
                || record.is_regained(second.assignment, second.at)
            {
                Some("partition lost")
            } else if first.assignment == second.assignment {
                None
            } else {
                cause(assignment, first.at, &record.rules)
            };
            match cause {
                Some(cause) => *record.stats.duplicates.entry(cause).or_default() += 1,
                None => wrong.push(format!(
                    "{partition}@{offset} settled at {:?} and at {:?}, and nothing explains it: {assignment:?}",
                    first.at, second.at
                )),
            }
        }
    }
    wrong
}

/// Why there may be several copies of a record in retry topics, or one was handled again: a copy that
/// was written without the engine's knowing, or a fault of a partition that it or a copy is in. Which
/// of the copies was settled is not known, so this is not as strict as for others.
fn copied_by(
    record: &Record,
    broker: &MemoryBroker,
    (partition, offset): (&TopicPartition, i64),
    at: Duration,
) -> Option<&'static str> {
    let delays = record.rules.retry_topics.iter();
    let mut places: Vec<_> =
        delays.flat_map(|delay| copies(broker, partition, offset, *delay)).collect();
    if places.is_empty() {
        return None;
    }
    let id =
        copy_id(partition.topic.as_str(), &partition.partition.to_string(), &offset.to_string());
    if record.allowed_copies.contains_key(&id) {
        return Some("moved to a retry topic, but the engine did not learn of it");
    }
    places.push(partition.clone());
    let fault = |a: &&Assignment| {
        let over = a.until.into_iter().chain(a.lost).min();
        let is_fault = a.crashed || a.last_commit_failed || a.lost.is_some();
        is_fault && over.is_some_and(|over| over <= at) && places.contains(&a.partition)
    };
    record.assignments.iter().find(fault).map(|_| "a fault where it, or its copy, lay")
}

/// Why what was settled `at` in this assignment may be settled again.
fn cause(assignment: &Assignment, at: Duration, rules: &Rules) -> Option<&'static str> {
    let until = assignment.until.into_iter().chain(assignment.lost).min()?;
    // Time enough for a commit, and for the one after it.
    let grace = rules.commit_interval + Duration::from_millis(2);
    let open = at + grace >= until || assignment.error_until + grace >= until;
    if assignment.last_commit_failed {
        Some("last commit failed")
    } else if assignment.crashed {
        open.then_some("crash")
    } else if assignment.lost.is_some() {
        open.then_some("partition lost")
    } else {
        None
    }
}

/// The newest records of a partition that were completed.
struct Newest {
    by_partition: i64,
    by_key: BTreeMap<Bytes, i64>,
}

// The first completions must be in the order of the offsets, of two records of which one waits for the
// other.
fn disorder(record: &Record, published: &[StoredRecord]) -> Vec<String> {
    // What no handler gets has an order only where records go one after the other.
    let published = published
        .iter()
        .filter(|s| record.rules.sequential || !script_of(record, s).acts.is_empty());
    let keys: BTreeMap<RecordPosition, _> = published
        .map(|s| ((s.partition.clone(), s.offset.0), (script_of(record, s).order, s.key.clone())))
        .collect();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    let mut newest = BTreeMap::new();
    for settle in &record.settles {
        let place = (settle.partition.clone(), settle.offset);
        if !seen.insert(place.clone()) {
            continue;
        }
        let Some((order, key)) = keys.get(&place).cloned() else { continue };
        let newest = newest
            .entry(place.0.clone())
            .or_insert_with(|| Newest { by_partition: -1, by_key: BTreeMap::new() });
        let before = match (order, &key) {
            (Order::None, _) | (Order::Key, None) => continue,
            (Order::Key, Some(key)) => newest.by_key.get(key).copied(),
            (Order::Partition, _) => newest.by_key.values().max().copied(),
        };
        let before = before.unwrap_or(-1).max(newest.by_partition);
        // Those of one batch are handled at once, and one that failed is retried alone.
        if settle.offset < before && !together(record, settle.assignment, settle.offset, before) {
            wrong.push(format!("{}@{} completed after {before}", place.0, settle.offset));
        }
        let newest = match (order, key) {
            (Order::Key, Some(key)) => newest.by_key.entry(key).or_insert(-1),
            _ => &mut newest.by_partition,
        };
        *newest = settle.offset.max(*newest);
    }
    wrong
}

// Whether two records were ever in one batch that each had its own result of; perhaps in an assignment
// before. Of one that failed as a whole none was settled.
fn together(record: &Record, assignment: usize, one: i64, other: i64) -> bool {
    let partition = &record.assignments[assignment].partition;
    let batches = |offset: i64| {
        let its = record.executions.iter().filter(move |e| {
            e.offset == offset
                && e.spoilt.is_none()
                && record.assignments[e.assignment].partition == *partition
        });
        its.filter_map(|e| Some((e.assignment, e.batch?)))
    };
    batches(one).any(|first| batches(other).any(|second| first == second))
}

fn dead_letters(
    record: &mut Record,
    settles: &BTreeMap<RecordPosition, Vec<usize>>,
    published: &[StoredRecord],
    letters: &[StoredRecord],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_place = BTreeMap::<RecordPosition, Vec<&StoredRecord>>::new();
    for letter in letters {
        let text = |name| letter.headers.get_text(name).unwrap_or_default().to_owned();
        let place = published.iter().find(|stored| {
            let place = &stored.partition;
            place.topic.as_str() == text("dlq.topic")
                && place.partition.to_string() == text("dlq.partition")
                && stored.offset.to_string() == text("dlq.offset")
        });
        match place {
            Some(stored) => {
                let place = (stored.partition.clone(), stored.offset.0);
                by_place.entry(place).or_default().push(letter);
                let own = stored
                    .headers
                    .iter()
                    .eq(letter.headers.iter().take(stored.headers.iter().count()));
                if (&stored.key, &stored.value) != (&letter.key, &letter.value) || !own {
                    wrong.push(format!("dead letter {} is not its origin", text("dlq.id")));
                }
            }
            None => wrong.push(format!("dead letter {} comes from nowhere", text("dlq.id"))),
        }
    }
    for stored in published {
        let place = (stored.partition.clone(), stored.offset.0);
        let its = by_place.get(&place).map(Vec::as_slice).unwrap_or_default();
        let poison = script_of(record, stored).end == End::DeadLettered;
        if poison == its.is_empty() {
            wrong.push(format!("{}@{}: {} dead letters", place.0, place.1, its.len()));
        }
        let Some(letter) = its.first() else { continue };
        let id = letter.headers.get_text("dlq.id").unwrap_or_default();
        let known = settles.get(&place).map_or(0, Vec::len);
        let allowed = record.allowed_copies.get(id).copied().unwrap_or_default();
        let again = its.len() as u64 - 1;
        let settled_again = known.saturating_sub(1) as u64;
        if again > settled_again + allowed {
            wrong.push(format!("{id}: {} letters, {known} settled, {allowed} allowed", its.len()));
        }
        for (cause, count) in [
            ("its record was settled again", again.min(settled_again)),
            ("written, but the engine did not learn of it", again.saturating_sub(settled_again)),
        ] {
            if count > 0 {
                *record.stats.second_letters.entry(cause).or_default() += count;
            }
        }
    }
    wrong
}
