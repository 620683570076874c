//! Judges what was taken down, when all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use event_core::broker::memory::{MemoryBroker, StoredRecord};
use event_core::delivery::TopicPartition;
use event_core::event::TopicName;
use event_core::handler::Order;

use crate::script::{End, Script};
use crate::weather::copy_id;
use crate::world::{Assignment, Record, Rules, copies, id_of};

type Place = (TopicPartition, i64);

/// Adds to the violations what is wrong in the end.
pub fn judge(record: &mut Record, broker: &MemoryBroker, topics: &[TopicName]) {
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

    let mut settles = BTreeMap::<Place, Vec<usize>>::new();
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
    settles: &BTreeMap<Place, Vec<usize>>,
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
/// of the copies was settled is not told, so this is not as strict as for others.
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
    if record.excused_letters.contains_key(&id) {
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
    let open = at + grace >= until || assignment.trouble_until + grace >= until;
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

// Per partition or key, the first completions must be in the order of the offsets.
fn disorder(record: &Record, published: &[StoredRecord]) -> Vec<String> {
    if record.rules.order == Order::None {
        return Vec::new();
    }
    // What no handler gets has an order only where records go one after the other.
    let in_batches = record.executions.iter().any(|e| e.batch.is_some());
    let published = published.iter().filter(|s| {
        record.rules.order == Order::Partition && !in_batches
            || !script_of(record, s).acts.is_empty()
    });
    let keys: BTreeMap<Place, _> =
        published.map(|s| ((s.partition.clone(), s.offset.0), s.key.clone())).collect();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    let mut newest = BTreeMap::new();
    for settle in &record.settles {
        let place = (settle.partition.clone(), settle.offset);
        if !seen.insert(place.clone()) {
            continue;
        }
        let Some(key) = keys.get(&place).cloned() else { continue };
        let scope = match (record.rules.order, key) {
            (Order::Key, None) => continue,
            (Order::Key, key) => (place.0.clone(), key),
            _ => (place.0.clone(), None),
        };
        let newest = newest.entry(scope).or_insert(-1);
        // Those of one batch are handled at once, and one that failed is tried again alone.
        if settle.offset < *newest && !together(record, settle.assignment, settle.offset, *newest) {
            wrong.push(format!("{}@{} completed after {newest}", place.0, settle.offset));
        }
        *newest = settle.offset.max(*newest);
    }
    wrong
}

// Whether two records were ever in one batch; perhaps in an assignment before.
fn together(record: &Record, assignment: usize, one: i64, other: i64) -> bool {
    let partition = &record.assignments[assignment].partition;
    let batches = |offset: i64| {
        let its = record.executions.iter().filter(move |e| {
            e.offset == offset && record.assignments[e.assignment].partition == *partition
        });
        its.filter_map(|e| Some((e.assignment, e.batch?)))
    };
    batches(one).any(|first| batches(other).any(|second| first == second))
}

fn dead_letters(
    record: &mut Record,
    settles: &BTreeMap<Place, Vec<usize>>,
    published: &[StoredRecord],
    letters: &[StoredRecord],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_place = BTreeMap::<Place, Vec<&StoredRecord>>::new();
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
        let excused = record.excused_letters.get(id).copied().unwrap_or_default();
        let again = its.len() as u64 - 1;
        let settled_again = known.saturating_sub(1) as u64;
        if again > settled_again + excused {
            wrong.push(format!("{id}: {} letters, {known} settled, {excused} excused", its.len()));
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
