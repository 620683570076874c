//! Programs of records that come and go.

use std::cell::Cell;
use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::super::tracker::Tracker;
use super::*;
use crate::delivery::{Offset, Stamp};

const ONE: Rule = Rule { concurrency: 1, batch: None };
const MANY: Rule = Rule { concurrency: 100, batch: None };
const WAIT: Duration = Duration::from_millis(50);

thread_local! {
    /// How many records were looked at.
    pub(super) static LOOKS: Cell<usize> = const { Cell::new(0) };
}

struct Script {
    agenda: Agenda,
    tracker: Tracker,
    now: Instant,
    sequences: Vec<Sequence>,
}

impl Script {
    fn new() -> Self {
        let (agenda, tracker) = (Agenda::default(), Tracker::default());
        Script { agenda, tracker, now: Instant::now(), sequences: Vec::new() }
    }

    fn admit(&mut self, handler: HandlerIndex, rule: Rule, place: Place) {
        let offset = i64::try_from(self.sequences.len()).unwrap();
        let stamp = Stamp { offset: Offset(offset), leader_epoch: None, timestamp_ms: -1 };
        let sequence = self.tracker.deliver(stamp);
        self.sequences.push(sequence);
        self.agenda.admit(sequence, (handler, rule), place, self.now);
    }

    fn number(&self, sequence: Sequence) -> usize {
        self.sequences.iter().position(|other| *other == sequence).unwrap()
    }

    /// What starts now: of each call its records.
    fn start(&mut self) -> Vec<Vec<usize>> {
        let calls = std::iter::from_fn(|| self.agenda.start(self.now, |_| true));
        let calls: Vec<_> = calls.collect();
        calls.iter().map(|c| c.records.iter().map(|s| self.number(*s)).collect()).collect()
    }

    fn end(&mut self, handler: HandlerIndex, records: &[usize]) {
        self.agenda.returned(handler);
        for record in records {
            self.agenda.finish(self.sequences[*record], self.now);
        }
    }
}

#[test]
fn keys_go_side_by_side_and_never_two_of_one() {
    let mut script = Script::new();
    for key in [1, 2, 1, 3] {
        script.admit(0, MANY, Place::Key(key));
    }
    assert_eq!(script.start(), [[0], [1], [3]]);
    script.end(0, &[1]);
    assert!(script.start().is_empty());
    script.end(0, &[0]);
    assert_eq!(script.start(), [[2]]);
}

#[test]
fn what_is_by_partition_waits_for_all_that_is_ordered_and_holds_it_up() {
    let mut script = Script::new();
    script.admit(0, MANY, Place::Key(1));
    script.admit(1, ONE, Place::Partition);
    script.admit(0, MANY, Place::Key(2));
    script.admit(2, MANY, Place::Free);
    assert_eq!(script.start(), [[0], [3]]);
    script.end(0, &[0]);
    assert_eq!(script.start(), [[1]]);
    script.end(1, &[1]);
    assert_eq!(script.start(), [[2]]);
}

#[test]
fn a_handler_has_no_more_calls_than_it_takes() {
    let mut script = Script::new();
    for _ in 0..5 {
        script.admit(0, Rule { concurrency: 2, batch: None }, Place::Free);
    }
    assert_eq!(script.start(), [[0], [1]]);
    script.end(0, &[1]);
    assert_eq!(script.start(), [[2]]);
}

#[test]
fn a_batch_is_started_when_it_is_full_or_has_waited() {
    let batch = Rule { concurrency: 1, batch: Some((3, WAIT)) };
    let mut script = Script::new();
    for _ in 0..4 {
        script.admit(0, batch, Place::Partition);
    }
    assert_eq!(script.start(), [[0, 1, 2]]);
    script.end(0, &[0, 1, 2]);
    assert!(script.start().is_empty(), "it waits for more");
    assert_eq!(script.agenda.next_flush(script.now), Some(script.now + WAIT));
    script.now += WAIT;
    assert_eq!(script.start(), [[3]]);
}

#[test]
fn a_batch_that_cannot_grow_does_not_wait() {
    let batch = Rule { concurrency: 1, batch: Some((3, WAIT)) };
    let mut script = Script::new();
    script.admit(0, batch, Place::Partition);
    script.admit(1, ONE, Place::Partition);
    script.admit(0, batch, Place::Partition);
    assert_eq!(script.start(), [[0]]);
    script.end(0, &[0]);
    assert_eq!(script.start(), [[1]]);
}

#[test]
fn a_batch_by_key_takes_what_follows_and_retries_in_order() {
    let batch = Rule { concurrency: 2, batch: Some((4, WAIT)) };
    let mut script = Script::new();
    for key in [1, 1, 2, 1] {
        script.admit(0, batch, Place::Key(key));
    }
    script.now += WAIT;
    assert_eq!(script.start(), [[0, 1, 3, 2]]);
    script.agenda.returned(0);
    script.agenda.finish(script.sequences[3], script.now);
    script.agenda.finish(script.sequences[2], script.now);
    script.agenda.again(script.sequences[1]);
    assert!(script.start().is_empty(), "the one before it is not done");
    script.agenda.again(script.sequences[0]);
    assert_eq!(script.start(), [[0]]);
    script.end(0, &[0]);
    assert_eq!(script.start(), [[1]]);
}

/// Each of these records fails once and is then tried again, one at a time.
fn looks_at_each(rule: Rule, place: impl Fn(u64) -> Place) -> usize {
    const RECORDS: usize = 2_000;
    let mut script = Script::new();
    for record in 0..RECORDS {
        script.admit(0, rule, place(record as u64));
    }
    LOOKS.set(0);
    script.now += WAIT;
    let mut failed = Vec::new();
    while let Some(call) = script.agenda.start(script.now, |_| true) {
        script.agenda.returned(0);
        failed.extend(call.records);
    }
    // The last comes first, so that nearly all have one before them.
    failed.iter().rev().for_each(|sequence| script.agenda.again(*sequence));
    while let Some(call) = script.agenda.start(script.now, |_| true) {
        assert!(script.agenda.start(script.now, |_| true).is_none(), "there is no room");
        script.agenda.returned(0);
        script.agenda.finish(call.records[0], script.now);
    }
    assert_eq!(script.agenda.len(), 0);
    LOOKS.get() / RECORDS
}

#[test]
fn what_it_looks_at_for_a_record_does_not_grow_with_their_number() {
    let batch = Rule { concurrency: 1, batch: Some((2_000, WAIT)) };
    let ways = [
        looks_at_each(ONE, |_| Place::Free),
        looks_at_each(ONE, Place::Key),
        looks_at_each(batch, |_| Place::Key(1)),
        looks_at_each(batch, |_| Place::Partition),
    ];
    assert!(ways.iter().all(|looks| *looks < 20), "{ways:?}");
}

#[test]
fn of_a_batch_by_key_all_but_the_first_may_be_settled() {
    let batch = Rule { concurrency: 1, batch: Some((4, WAIT)) };
    let mut script = Script::new();
    for _ in 0..5 {
        script.admit(0, batch, Place::Key(1));
    }
    script.now += WAIT;
    assert_eq!(script.start(), [[0, 1, 2, 3]]);
    script.end(0, &[1, 3]);
    script.agenda.again(script.sequences[2]);
    assert!(script.start().is_empty(), "the first of its key is not settled");
    script.agenda.again(script.sequences[0]);
    for tried in [0, 2] {
        assert_eq!(script.start(), [[tried]]);
        script.end(0, &[tried]);
    }
    script.now += WAIT;
    assert_eq!(script.start(), [[4]]);
    script.end(0, &[4]);
    assert!(script.agenda.chains.is_empty());
}

#[test]
fn any_program_keeps_the_order_and_ends() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..300 {
        let mut script = Script::new();
        let batch = Rule { concurrency: 3, batch: Some((rng.random_range(1..6), WAIT)) };
        let handlers = [(0, ONE), (1, MANY), (2, batch), (3, batch), (4, ONE)];
        let mut places = Vec::new();
        let mut open: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut done = Vec::new();
        let total = rng.random_range(1..80);
        let mut call = 0;
        while done.len() < total {
            if places.len() < total && rng.random_bool(0.6) {
                let (handler, rule) = handlers[rng.random_range(0..handlers.len())];
                // A handler always has one order, as its attribute says.
                let place = match handler {
                    0 | 3 => Place::Partition,
                    1 | 2 => Place::Key(rng.random_range(0..4)),
                    _ => Place::Free,
                };
                places.push((handler, place));
                script.admit(handler, rule, place);
            } else if let Some((&which, _)) = open.iter().nth(rng.random_range(0..=open.len())) {
                let records = open.remove(&which).unwrap();
                script.agenda.returned(places[records[0]].0);
                for record in records {
                    if rng.random_bool(0.2) {
                        script.agenda.again(script.sequences[record]);
                    } else {
                        script.agenda.finish(script.sequences[record], script.now);
                        done.push(record);
                    }
                }
            } else {
                script.now += WAIT;
            }
            for records in script.start() {
                for record in &records {
                    let (handler, place) = places[*record];
                    assert_eq!(handler, places[records[0]].0);
                    let earlier = (0..*record)
                        .filter(|other| !done.contains(other) && !records.contains(other));
                    for other in earlier {
                        let free = match (places[other].1, place) {
                            (Place::Free, _) | (_, Place::Free) => true,
                            (Place::Key(a), Place::Key(b)) => a != b,
                            _ => false,
                        };
                        assert!(free, "seed {seed}: {record} started before {other}");
                    }
                }
                call += 1;
                open.insert(call, records);
            }
        }
        assert_eq!(script.agenda.len(), 0, "seed {seed}");
        assert!(script.agenda.chains.is_empty() && script.agenda.held.is_empty());
    }
}
