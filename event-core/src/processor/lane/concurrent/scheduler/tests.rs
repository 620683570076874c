//! Programs of records that come and go.

use std::cell::Cell;
use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

const ONE: HandlerLimits = HandlerLimits { concurrency: 1, batch: None };
const MANY: HandlerLimits = HandlerLimits { concurrency: 100, batch: None };
const WAIT: Duration = Duration::from_millis(50);

thread_local! {
    /// How many records were looked at.
    pub(super) static LOOKS: Cell<usize> = const { Cell::new(0) };
}

/// Records are numbered as they are admitted.
struct Script {
    scheduler: Scheduler<usize>,
    now: Instant,
    ids: Vec<RecordId>,
    batches: BTreeMap<HandlerIndex, bool>,
}

impl Script {
    fn new() -> Self {
        let (ids, batches) = (Vec::new(), BTreeMap::new());
        Script { scheduler: Scheduler::new(), now: Instant::now(), ids, batches }
    }

    fn admit(&mut self, handler: HandlerIndex, limits: HandlerLimits, order: RecordOrder) {
        self.batches.insert(handler, limits.batch.is_some());
        let number = self.ids.len();
        self.ids.push(self.scheduler.admit(number, (handler, limits), order, self.now));
    }

    fn start_next(&mut self, is_open: impl FnMut(HandlerIndex) -> bool) -> Option<Vec<usize>> {
        let handler = self.scheduler.next_handler(self.now, is_open)?;
        let mut records = Vec::new();
        if self.batches[&handler] {
            self.scheduler.start_batch(handler, self.now, &mut records);
        } else {
            records.extend(self.scheduler.start_one(handler));
        }
        assert!(!records.is_empty(), "a handler that has its turn has something to start");
        Some(records.iter().map(|id| *self.scheduler.get(*id).unwrap()).collect())
    }

    /// What starts now: of each call its records.
    fn start(&mut self) -> Vec<Vec<usize>> {
        std::iter::from_fn(|| self.start_next(|_| true)).collect()
    }

    fn end(&mut self, handler: HandlerIndex, records: &[usize]) {
        self.scheduler.returned(handler);
        for record in records {
            self.finish(*record);
        }
    }

    fn finish(&mut self, record: usize) {
        assert_eq!(self.scheduler.finish(self.ids[record], self.now), Some(record));
    }

    fn again(&mut self, record: usize) {
        self.scheduler.again(self.ids[record]);
    }

    fn is_empty(&self) -> bool {
        let Scheduler { records, keys, queues, retained, .. } = &self.scheduler;
        let lines = self.scheduler.lines.iter().all(|line| line.available == 0);
        records.is_empty() && keys.is_empty() && queues.len() == 1 && retained.is_empty() && lines
    }
}

#[test]
fn keys_go_side_by_side_and_never_two_of_one() {
    let mut script = Script::new();
    for key in [1, 2, 1, 3] {
        script.admit(0, MANY, RecordOrder::Key(key));
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
    script.admit(0, MANY, RecordOrder::Key(1));
    script.admit(1, ONE, RecordOrder::Partition);
    script.admit(0, MANY, RecordOrder::Key(2));
    script.admit(2, MANY, RecordOrder::None);
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
        script.admit(0, HandlerLimits { concurrency: 2, batch: None }, RecordOrder::None);
    }
    assert_eq!(script.start(), [[0], [1]]);
    script.end(0, &[1]);
    assert_eq!(script.start(), [[2]]);
}

#[test]
fn a_batch_is_started_when_it_is_full_or_has_waited() {
    let batch = HandlerLimits { concurrency: 1, batch: Some((3, WAIT)) };
    let mut script = Script::new();
    for _ in 0..4 {
        script.admit(0, batch, RecordOrder::Partition);
    }
    assert_eq!(script.start(), [[0, 1, 2]]);
    script.end(0, &[0, 1, 2]);
    assert!(script.start().is_empty(), "it waits for more");
    assert_eq!(script.scheduler.next_flush(script.now), Some(script.now + WAIT));
    script.now += WAIT;
    assert_eq!(script.start(), [[3]]);
}

#[test]
fn records_of_one_key_fill_a_batch() {
    let batch = HandlerLimits { concurrency: 1, batch: Some((3, WAIT)) };
    let mut script = Script::new();
    script.admit(0, batch, RecordOrder::Key(1));
    script.admit(0, batch, RecordOrder::Key(1));
    assert!(script.start().is_empty(), "it waits for more");
    script.admit(0, batch, RecordOrder::Key(1));
    script.admit(1, ONE, RecordOrder::Key(1));
    assert_eq!(script.start(), [[0, 1, 2]]);
    script.end(0, &[0, 1, 2]);
    assert_eq!(script.start(), [[3]]);
}

#[test]
fn records_by_partition_of_several_handlers_follow_each_other() {
    let batch = HandlerLimits { concurrency: 1, batch: Some((3, WAIT)) };
    let mut script = Script::new();
    for (handler, limits) in [(0, ONE), (0, ONE), (1, ONE), (2, batch), (2, batch), (0, ONE)] {
        script.admit(handler, limits, RecordOrder::Partition);
    }
    for (handler, records) in [(0, vec![0]), (0, vec![1]), (1, vec![2]), (2, vec![3, 4])] {
        assert_eq!(script.start(), [&records[..]]);
        script.end(handler, &records);
    }
    assert_eq!(script.start(), [[5]]);
}

#[test]
fn a_handler_that_is_shut_keeps_its_turn_and_holds_up_no_other() {
    let mut script = Script::new();
    script.admit(0, MANY, RecordOrder::None);
    script.admit(1, MANY, RecordOrder::None);
    assert_eq!(script.start_next(|handler| handler != 0), Some(vec![1]));
    assert_eq!(script.start_next(|handler| handler != 0), None);
    assert_eq!(script.start_next(|_| true), Some(vec![0]));
}

#[test]
fn a_batch_that_cannot_grow_does_not_wait() {
    let batch = HandlerLimits { concurrency: 1, batch: Some((3, WAIT)) };
    let mut script = Script::new();
    script.admit(0, batch, RecordOrder::Partition);
    script.admit(1, ONE, RecordOrder::Partition);
    script.admit(0, batch, RecordOrder::Partition);
    assert_eq!(script.start(), [[0]]);
    script.end(0, &[0]);
    assert_eq!(script.start(), [[1]]);
}

#[test]
fn a_batch_by_key_takes_what_follows_and_retries_in_order() {
    let batch = HandlerLimits { concurrency: 2, batch: Some((4, WAIT)) };
    let mut script = Script::new();
    for key in [1, 1, 2, 1] {
        script.admit(0, batch, RecordOrder::Key(key));
    }
    script.now += WAIT;
    assert_eq!(script.start(), [[0, 1, 3, 2]]);
    script.scheduler.returned(0);
    script.finish(3);
    script.finish(2);
    script.again(1);
    assert!(script.start().is_empty(), "the one before it is not done");
    script.again(0);
    assert_eq!(script.start(), [[0]]);
    script.end(0, &[0]);
    assert_eq!(script.start(), [[1]]);
}

/// Each of these records fails once and is then retried, one at a time.
fn looks_at_each(limits: HandlerLimits, order: impl Fn(u64) -> RecordOrder) -> usize {
    const RECORDS: usize = 2_000;
    let mut script = Script::new();
    for record in 0..RECORDS {
        script.admit(0, limits, order(record as u64));
    }
    LOOKS.set(0);
    script.now += WAIT;
    let mut failed = Vec::new();
    while let Some(records) = script.start_next(|_| true) {
        script.scheduler.returned(0);
        failed.extend(records);
    }
    // The last comes first, so that nearly all have one before them.
    failed.iter().rev().for_each(|record| script.again(*record));
    while let Some(records) = script.start_next(|_| true) {
        assert!(script.start_next(|_| true).is_none(), "there is no room");
        script.end(0, &records);
    }
    assert!(script.is_empty());
    LOOKS.get() / RECORDS
}

#[test]
fn what_it_looks_at_for_a_record_does_not_grow_with_their_number() {
    let batch = HandlerLimits { concurrency: 1, batch: Some((2_000, WAIT)) };
    let ways = [
        looks_at_each(ONE, |_| RecordOrder::None),
        looks_at_each(ONE, RecordOrder::Key),
        looks_at_each(batch, |_| RecordOrder::Key(1)),
        looks_at_each(batch, |_| RecordOrder::Partition),
    ];
    assert!(ways.iter().all(|looks| *looks < 20), "{ways:?}");
}

#[test]
fn of_a_batch_by_key_all_but_the_first_may_be_settled() {
    let batch = HandlerLimits { concurrency: 1, batch: Some((4, WAIT)) };
    let mut script = Script::new();
    for _ in 0..5 {
        script.admit(0, batch, RecordOrder::Key(1));
    }
    script.now += WAIT;
    assert_eq!(script.start(), [[0, 1, 2, 3]]);
    script.end(0, &[1, 3]);
    script.again(2);
    assert!(script.start().is_empty(), "the first of its key is not settled");
    script.again(0);
    for tried in [0, 2] {
        assert_eq!(script.start(), [[tried]]);
        script.end(0, &[tried]);
    }
    script.now += WAIT;
    assert_eq!(script.start(), [[4]]);
    script.end(0, &[4]);
    assert!(script.is_empty());
}

#[test]
fn any_program_keeps_the_order_and_ends() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..300 {
        let mut script = Script::new();
        let batch = HandlerLimits { concurrency: 3, batch: Some((rng.random_range(1..6), WAIT)) };
        let handlers = [(0, ONE), (1, MANY), (2, batch), (3, batch), (4, ONE)];
        let mut orders = Vec::new();
        let mut open: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut done = Vec::new();
        let total = rng.random_range(1..80);
        let mut call = 0;
        while done.len() < total {
            if orders.len() < total && rng.random_bool(0.6) {
                let (handler, limits) = handlers[rng.random_range(0..handlers.len())];
                // A handler always has one order, as its attribute says.
                let order = match handler {
                    0 | 3 => RecordOrder::Partition,
                    1 | 2 => RecordOrder::Key(rng.random_range(0..4)),
                    _ => RecordOrder::None,
                };
                orders.push((handler, order));
                script.admit(handler, limits, order);
            } else if let Some((&which, _)) = open.iter().nth(rng.random_range(0..=open.len())) {
                let records = open.remove(&which).unwrap();
                script.scheduler.returned(orders[records[0]].0);
                for record in records {
                    if rng.random_bool(0.2) {
                        script.again(record);
                    } else {
                        script.finish(record);
                        done.push(record);
                    }
                }
            } else {
                script.now += WAIT;
            }
            for records in script.start() {
                for record in &records {
                    let (handler, order) = orders[*record];
                    assert_eq!(handler, orders[records[0]].0);
                    let earlier = (0..*record)
                        .filter(|other| !done.contains(other) && !records.contains(other));
                    for other in earlier {
                        let free = match (orders[other].1, order) {
                            (RecordOrder::None, _) | (_, RecordOrder::None) => true,
                            (RecordOrder::Key(a), RecordOrder::Key(b)) => a != b,
                            _ => false,
                        };
                        assert!(free, "seed {seed}: {record} started before {other}");
                    }
                }
                call += 1;
                open.insert(call, records);
            }
        }
        assert!(script.is_empty(), "seed {seed}");
    }
}
