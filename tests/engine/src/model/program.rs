//! The steps of a program, and how it is run.

use std::time::Duration;

use bytes::Bytes;
use event_core::broker::{AssignedPartition, ConsumerEvent, Revocation};
use event_core::delivery::{Epoch, NextOffset};
use event_core::handler::Order;
use tokio::time::sleep;

use super::engine::{Engine, Shared, batch, partitions};
use super::facts::{BACKOFF, COMMIT_INTERVAL, CommitFault, DRAIN, Facts, Ran};
use super::lane::{Fact, Lane};
use crate::dice::Dice;
use crate::script::Act;

/// Which of the attempts in flight.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// The one that began first.
    Oldest,
    /// The one that began last.
    Newest,
    /// Any.
    Any(usize),
}

/// One step. A lane is an index, taken modulo their number.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Delivers the next records of a lane; what is not there yet is made from the seed.
    Deliver {
        /// Which lane.
        lane: usize,
        /// How many.
        count: usize,
        /// What new records are.
        seed: u64,
    },
    /// Informs a lane that no record comes before the next one, or before the end when all were delivered.
    Pass {
        /// Which lane.
        lane: usize,
        /// How many offsets without a record are written behind the last one then.
        marks: i64,
    },
    /// Delivers the next records under an epoch that is over: none may be touched.
    Stale {
        /// Which lane.
        lane: usize,
        /// How many.
        count: usize,
    },
    /// Ends an attempt.
    End(Which, Act),
    /// Dead letters are refused from now on, or taken again.
    RefuseLetters(bool),
    /// Time passes.
    Advance(u64),
    /// A lane is to be given up.
    Revoke(usize),
    /// A lane is another member's already.
    Lose(usize),
    /// A lane is ours again.
    Assign(usize),
    /// The next commit fails.
    FailCommit(CommitFault),
    /// The process is killed, and another one starts.
    Crash,
    /// The process stops in good order and starts again; what is in flight is finished or not.
    Restart {
        /// Whether it is.
        finish: bool,
    },
}

const LANES: i32 = 3;

/// Runs a program on a clock of its own, with handlers that take one record or several at once.
///
/// # Errors
///
/// The first thing that was wrong.
pub fn run(order: Order, in_batches: bool, steps: &[Step]) -> Result<Ran, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let shared = Shared::new(Facts::new(order, in_batches, partitions(LANES)));
        let mut program =
            Program { engine: Some(Engine::start(&shared)), shared, epoch: 0, ran: Ran::default() };
        for lane in 0..LANES {
            program.step(Step::Assign(lane.unsigned_abs() as usize)).await;
        }
        program.ran = Ran::default();
        for (number, step) in steps.iter().enumerate() {
            let effect = program.step(*step).await;
            program.check(|| format!("step {number}, {step:?}"))?;
            if effect {
                program.ran.steps += 1;
            } else {
                program.ran.idle += 1;
            }
        }
        program.finish().await?;
        Ok(program.ran)
    })
}

struct Program {
    shared: Shared,
    engine: Option<Engine>,
    epoch: u64,
    ran: Ran,
}

impl Program {
    /// Whether it had an effect.
    async fn step(&mut self, step: Step) -> bool {
        let effect = match step {
            Step::Advance(ms) => {
                sleep(Duration::from_millis(ms)).await;
                true
            }
            Step::Crash | Step::Restart { .. } => self.replace(step).await,
            _ => self.emit(step),
        };
        // With the clock paused this is over when nothing else can be done.
        sleep(Duration::from_millis(1)).await;
        effect
    }

    fn check(&self, when: impl FnOnce() -> String) -> Result<(), String> {
        if self.engine.as_ref().is_some_and(Engine::is_over) {
            return Err(format!("{}: the engine ended", when()));
        }
        let facts = self.shared.facts();
        match facts.violations.first().cloned().or_else(|| facts.idle_work()) {
            Some(wrong) => Err(format!("{}: {wrong}", when())),
            None => Ok(()),
        }
    }

    fn emit(&mut self, step: Step) -> bool {
        let Some(engine) = &self.engine else { return false };
        let lane_of = |lane: usize| lane % usize::try_from(LANES).unwrap_or(1);
        let facts = &mut *self.shared.facts();
        match step {
            Step::Deliver { lane, count, seed } => {
                let lane = &mut facts.lanes[lane_of(lane)];
                let Some(epoch) = lane.epoch else { return false };
                if lane.leaving {
                    return false;
                }
                let mut dice = Dice::new(seed);
                while lane.log.len() < lane.position + count {
                    let before = lane.end();
                    let offset = before + i64::try_from(dice.index(4)).unwrap_or(0).max(1) - 1;
                    lane.log.push(record(&mut dice, offset));
                }
                let records = lane.log[lane.position..lane.position + count].to_vec();
                lane.position += count;
                engine.emit(ConsumerEvent::Records(batch(&lane.partition, epoch, records)));
                true
            }
            Step::Pass { lane, marks } => {
                let lane = &mut facts.lanes[lane_of(lane)];
                let Some(epoch) = lane.epoch.filter(|_| !lane.leaving) else { return false };
                let next = match lane.log.get(lane.position) {
                    Some(fact) => fact.offset,
                    None => {
                        lane.marks = lane.end() + marks;
                        lane.marks
                    }
                };
                lane.passed = next;
                let (partition, next) = (lane.partition.clone(), NextOffset(next));
                engine.emit(ConsumerEvent::Passed { partition, epoch: Epoch(epoch), next });
                true
            }
            Step::Stale { lane, count } => {
                let lane = &facts.lanes[lane_of(lane)];
                let records: Vec<_> =
                    lane.log.iter().skip(lane.position).take(count).cloned().collect();
                if records.is_empty() {
                    return false;
                }
                let epoch = lane.epoch.unwrap_or(self.epoch).saturating_sub(1);
                engine.emit(ConsumerEvent::Records(batch(&lane.partition, epoch, records)));
                true
            }
            Step::End(which, act) => end(facts, which, act),
            Step::RefuseLetters(refused) => {
                std::mem::replace(&mut facts.letters_refused, refused) != refused
            }
            Step::Revoke(lane) => {
                let index = lane_of(lane);
                let lane = &mut facts.lanes[index];
                if lane.epoch.is_none() || lane.leaving {
                    return false;
                }
                lane.leaving = true;
                let shared = self.shared.clone();
                let epoch = lane.epoch;
                let release = move |progress: Vec<_>| {
                    let facts = &mut *shared.facts();
                    // Unless the process is gone meanwhile.
                    if facts.lanes[index].epoch == epoch {
                        facts.release([index], &progress);
                    }
                };
                let revocation = Revocation::new(vec![lane.partition.clone()], false, release);
                engine.emit(ConsumerEvent::Revoked(revocation));
                true
            }
            Step::Lose(lane) => {
                let lane = &mut facts.lanes[lane_of(lane)];
                if lane.epoch.is_none() || lane.leaving {
                    return false;
                }
                // It is over when the engine hears of it, and not before.
                let lost = vec![lane.partition.clone()];
                engine.emit(ConsumerEvent::Revoked(Revocation::new(lost, true, |_| ())));
                true
            }
            Step::Assign(lane) => {
                let lane = &mut facts.lanes[lane_of(lane)];
                if lane.epoch.is_some() {
                    return false;
                }
                // Not the next number: an older one is as wrong as one that never was.
                self.epoch += 2;
                lane.assign(self.epoch);
                let partitions = vec![AssignedPartition {
                    partition: lane.partition.clone(),
                    next: Some(NextOffset(lane.committed)),
                    metadata: lane.metadata.clone(),
                }];
                let epoch = Epoch(self.epoch);
                engine.emit(ConsumerEvent::Assigned { partitions, epoch });
                true
            }
            Step::FailCommit(fault) => {
                facts.failing_commits = vec![fault];
                true
            }
            Step::Advance(_) | Step::Crash | Step::Restart { .. } => false,
        }
    }

    async fn replace(&mut self, step: Step) -> bool {
        let Some(engine) = self.engine.take() else { return false };
        if let Step::Restart { finish } = step {
            let shared = self.shared.clone();
            let stopped = engine.stop(async move {
                sleep(Duration::from_millis(1)).await;
                if finish {
                    let facts = &mut *shared.facts();
                    while end(facts, Which::Oldest, Act::Succeed) {}
                }
            });
            let _ = stopped.await;
        } else {
            // Until the process is gone it may do whatever it was about to do in this moment.
            engine.crash().await;
            for lane in &mut self.shared.facts().lanes {
                (lane.epoch, lane.leaving) = (None, false);
            }
        }
        sleep(Duration::from_millis(1)).await;
        self.shared.facts().failing_commits.clear();
        self.engine = Some(Engine::start(&self.shared));
        for lane in 0..LANES {
            Box::pin(self.step(Step::Assign(lane.unsigned_abs() as usize))).await;
        }
        true
    }

    /// All faults are over: everything must be settled, committed, and nothing comes again.
    async fn finish(&mut self) -> Result<(), String> {
        {
            let facts = &mut *self.shared.facts();
            facts.letters_refused = false;
            facts.failing_commits.clear();
        }
        sleep(DRAIN * 2).await;
        for lane in 0..LANES.unsigned_abs() as usize {
            self.step(Step::Assign(lane)).await;
            let rest = self.shared.facts().lanes[lane].undelivered();
            if rest > 0 {
                self.step(Step::Deliver { lane, count: rest, seed: 0 }).await;
            }
            self.step(Step::Pass { lane, marks: 0 }).await;
        }
        for _ in 0..200 {
            let mut ended = false;
            while end(&mut self.shared.facts(), Which::Oldest, Act::Succeed) {
                ended = true;
            }
            sleep(if ended { Duration::from_millis(1) } else { BACKOFF * 8 }).await;
            self.check(|| "at the end".to_owned())?;
            let facts = self.shared.facts();
            // What was settled in an epoch before may be in flight again, or wait for its dead letter.
            if facts.lanes.iter().all(Lane::is_done) && !ended {
                break;
            }
        }
        sleep(COMMIT_INTERVAL * 3).await;
        self.shared.facts().check_the_end();
        self.check(|| "in the end".to_owned())?;
        let Some(engine) = self.engine.take() else { return Ok(()) };
        engine.stop(async {}).await.map_err(|error| format!("the last stop: {error}"))?;
        self.check(|| "after the last stop".to_owned())
    }
}

fn end(facts: &mut Facts, which: Which, act: Act) -> bool {
    let hand = match which {
        Which::Oldest => facts.hands.keys().next(),
        Which::Newest => facts.hands.keys().next_back(),
        Which::Any(index) => facts.hands.keys().nth(index % facts.hands.len().max(1)),
    };
    let Some(hand) = hand.copied() else { return false };
    let taken = facts.hands.remove(&hand);
    taken.is_some_and(|hand| hand.end.send(act).is_ok())
}

fn record(dice: &mut Dice, offset: i64) -> Fact {
    let key = match dice.index(5) {
        0 => None,
        number => Some(Bytes::from(format!("key-{number}"))),
    };
    let (value, poison) = match dice.index(20) {
        0..14 => (Some(Bytes::from_static(br#"{"eventType":"STEP","data":1}"#)), false),
        14 | 15 => (Some(Bytes::from_static(br#"{"eventType":"OTHER","data":1}"#)), false),
        16 => (None, false),
        _ => (Some(Bytes::from_static(b"{not json")), true),
    };
    Fact { offset, key, value, settled: false, poison, condemned: poison, letters: 0 }
}
