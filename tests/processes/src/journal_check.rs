//! Holds the journals of all processes together against what was acknowledged.
//!
//! Every acknowledged event is done at least once; the first completions of a key are in the order
//! of its sequence; executions of a key overlap only between processes, and only when the first lost
//! its partition, or the second has just thawed and does not know it yet; and every repetition is explained by a fault, within the time that the fault could
//! leave uncommitted. A repetition that nothing explains is a defect.

use std::collections::{BTreeMap, BTreeSet};

use crate::driver::Published;
use crate::journal::{End, Execution, Written};

/// What is done may stay uncommitted for a second, and the commit takes a moment.
const UNCOMMITTED: i64 = 2_000_000;
/// How long a thawed member may take to learn that it was removed.
const UNHEARD: i64 = 2_000_000;

/// One process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// When it was killed.
    pub killed: Option<i64>,
    /// From when to when it was frozen.
    pub frozen: Vec<(i64, i64)>,
    /// Its journal.
    pub written: Written,
}

/// Why something was repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Its process was killed before the commit.
    Killed,
    /// Its process was frozen before the commit, and others took over.
    Frozen,
    /// The broker was away.
    Broker,
    /// The partition was given up while processes joined and left.
    Joins,
    /// Nothing explains it.
    Unexplained,
}

/// A part of the run.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What happens in it.
    pub name: String,
    /// When it began and ended.
    pub from: i64,
    /// The end.
    pub to: i64,
    /// What it explains beside what was done to a process.
    pub explains: Option<Cause>,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Events that were acknowledged.
    pub acknowledged: usize,
    /// Events that were not.
    pub failed: usize,
    /// Executions in all, attempts included.
    pub executions: usize,
    /// Acknowledged events that nobody has done.
    pub lost: Vec<String>,
    /// First completions that are out of order.
    pub disorder: Vec<String>,
    /// Executions of one key that overlap although nothing allows it.
    pub overlaps: Vec<String>,
    /// Executions of one key that overlap after one of the processes lost the partition.
    pub allowed_overlaps: usize,
    /// Failed attempts after which the partition's next owner, perhaps the same process, began with the first attempt
    /// again: nothing that was done is repeated, but the failure does not count.
    pub begun_anew: usize,
    /// How often something was repeated, and why.
    pub repeats: BTreeMap<Cause, usize>,
    /// The repetitions that nothing explains.
    pub unexplained: Vec<String>,
    /// For each phase how long an event that was acknowledged in it waited until it was done, at
    /// most, in milliseconds.
    pub waits: Vec<(String, i64)>,
}

impl Findings {
    /// How often something was repeated for `cause`.
    #[must_use]
    pub fn repeats(&self, cause: Cause) -> usize {
        self.repeats.get(&cause).copied().unwrap_or_default()
    }

    /// Everything that must not be.
    #[must_use]
    pub fn defects(&self) -> Vec<String> {
        let all = [&self.lost, &self.disorder, &self.overlaps, &self.unexplained];
        all.into_iter().flatten().cloned().collect()
    }
}

/// Looks through everything.
#[must_use]
pub fn check(published: &Published, processes: &[Process], phases: &[Phase]) -> Findings {
    let mut all: Vec<(&Process, &Execution)> = processes
        .iter()
        .flat_map(|process| process.written.executions.iter().map(move |one| (process, one)))
        .collect();
    all.sort_by_key(|(_, one)| one.begin);
    let mut findings = Findings {
        acknowledged: published.acknowledged.len(),
        failed: published.failed,
        executions: all.len(),
        ..Findings::default()
    };
    completions(published, &all, phases, &mut findings);
    overlaps(&all, phases, &mut findings);
    repeats(&all, phases, &mut findings);
    findings
}

fn completions(
    published: &Published,
    all: &[(&Process, &Execution)],
    phases: &[Phase],
    findings: &mut Findings,
) {
    let mut first: BTreeMap<(&(String, u64), u64), i64> = BTreeMap::new();
    for (_, one) in all {
        if let Some((at, End::Done)) = one.end {
            let known = first.entry((&one.key, one.sequence)).or_insert(at);
            *known = at.min(*known);
        }
    }
    findings.waits = phases.iter().map(|phase| (phase.name.clone(), 0)).collect();
    for event in &published.acknowledged {
        match first.get(&(&event.key, event.sequence)) {
            None => findings.lost.push(format!("lost: {} {:?}", event.record, event.key)),
            Some(done) => {
                let within = phases.iter().position(|p| (p.from..p.to).contains(&event.at));
                if let Some(phase) = within {
                    let longest = &mut findings.waits[phase].1;
                    *longest = (*longest).max((done - event.at) / 1000);
                }
            }
        }
    }
    let in_order: Vec<_> = first.into_iter().collect();
    for pair in in_order.windows(2) {
        let [((key, before), done), ((other, after), earlier)] = pair else { continue };
        if key == other && earlier < done {
            findings.disorder.push(format!("out of order: {key:?}: {after} before {before}"));
        }
    }
}

fn overlaps(all: &[(&Process, &Execution)], phases: &[Phase], findings: &mut Findings) {
    let mut by_key: BTreeMap<_, Vec<(&Process, &Execution)>> = BTreeMap::new();
    for (process, one) in all {
        let open = by_key.entry(&one.key).or_default();
        open.retain(|(first, before)| ended(first, before) > one.begin);
        for (first, before) in &*open {
            let is_over = was_revoked(first, before, one);
            let is_allowed = first.name != process.name
                && (is_over
                    || was_frozen(first, before, one)
                    || has_just_thawed(process, one)
                    || explained_by(Cause::Broker, phases, before, one));
            if is_allowed {
                findings.allowed_overlaps += 1;
            } else {
                findings.overlaps.push(format!(
                    "overlap: {:?}: {} in {} while {} was in flight in {}",
                    one.key, one.sequence, process.name, before.sequence, first.name
                ));
            }
        }
        open.push((process, one));
    }
}

fn repeats(all: &[(&Process, &Execution)], phases: &[Phase], findings: &mut Findings) {
    let mut last: BTreeMap<&str, (&Process, &Execution)> = BTreeMap::new();
    for (process, one) in all {
        let Some((first, before)) = last.insert(&one.record, (process, one)) else { continue };
        // The next attempt is none, and neither is another process' attempt at what has failed.
        if first.name == process.name && one.attempt == before.attempt + 1 {
            continue;
        }
        // .. or this one's, when the partition has gone and come back.
        let is_elsewhere = first.name != process.name || was_revoked(first, before, one);
        if is_elsewhere && before.end.is_some_and(|(_, end)| end == End::Failed) {
            findings.begun_anew += 1;
            continue;
        }
        let cause = cause(first, before, process, one, phases);
        *findings.repeats.entry(cause).or_default() += 1;
        if cause == Cause::Unexplained {
            findings.unexplained.push(format!(
                "repeated without reason: {} {:?} {}: begun {} ended {:?} in {}, begun {} in {}",
                one.record,
                one.key,
                one.sequence,
                before.begin,
                before.end,
                first.name,
                one.begin,
                process.name
            ));
        }
    }
}

/// Whether the partition was given up by the first process before the second execution began.
fn was_revoked(first: &Process, before: &Execution, again: &Execution) -> bool {
    first.written.revoked.iter().any(|(at, partitions)| {
        (before.begin..again.begin).contains(at) && partitions.contains(&before.partition)
    })
}

fn cause(
    first: &Process,
    before: &Execution,
    second: &Process,
    again: &Execution,
    phases: &[Phase],
) -> Cause {
    let was_killed =
        first.killed.is_some_and(|at| again.begin > at && ended(first, before) > at - UNCOMMITTED);
    // One that thaws goes on with what it has until it learns that others have taken over.
    let goes_on = second.frozen.iter().any(|(_, to)| (*to..to + UNHEARD).contains(&again.begin));
    if was_killed {
        Cause::Killed
    } else if goes_on || was_frozen(first, before, again) {
        Cause::Frozen
    } else if explained_by(Cause::Broker, phases, before, again) {
        Cause::Broker
    } else if was_revoked(first, before, again) && explained_by(Cause::Joins, phases, before, again)
    {
        Cause::Joins
    } else {
        Cause::Unexplained
    }
}

/// When an execution was over: at the latest when its process was killed.
fn ended(process: &Process, one: &Execution) -> i64 {
    one.end.map(|(at, _)| at).or(process.killed).unwrap_or(i64::MAX)
}

fn was_frozen(first: &Process, before: &Execution, again: &Execution) -> bool {
    first.frozen.iter().any(|(from, to)| {
        let to = to.saturating_add(UNHEARD);
        again.begin > *from && before.begin < to && ended(first, before) > from - UNCOMMITTED
    })
}

/// Who thaws begins what it has taken in until it learns that the partition is another's by now.
fn has_just_thawed(process: &Process, one: &Execution) -> bool {
    let unaware =
        |&(from, to): &(i64, i64)| (from..to.saturating_add(UNHEARD)).contains(&one.begin);
    process.frozen.iter().any(unaware)
}

fn explained_by(cause: Cause, phases: &[Phase], before: &Execution, again: &Execution) -> bool {
    phases.iter().filter(|phase| phase.explains == Some(cause)).any(|phase| {
        again.begin > phase.from
            && before.begin < phase.to
            && before.end.is_none_or(|(at, _)| at > phase.from - UNCOMMITTED)
    })
}

/// The names of the processes that did something.
#[must_use]
pub fn active(processes: &[Process]) -> BTreeSet<&str> {
    let active = processes.iter().filter(|process| !process.written.executions.is_empty());
    active.map(|process| process.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Acknowledged;

    const SECOND: i64 = 1_000_000;

    fn key() -> (String, u64) {
        ("payment_events".to_owned(), 7)
    }

    fn record(sequence: u64) -> String {
        format!("payment_events/0@{sequence}")
    }

    /// What was published, and a process that did sequences from when to when.
    fn process(name: &str, did: &[(u64, i64, i64)]) -> Process {
        let executions = did.iter().map(|(sequence, begin, end)| Execution {
            record: record(*sequence),
            partition: "payment_events/0".to_owned(),
            key: key(),
            sequence: *sequence,
            attempt: 1,
            begin: *begin,
            end: (*end != 0).then_some((*end, End::Done)),
        });
        let written = Written { executions: executions.collect(), ..Written::default() };
        Process { name: name.to_owned(), written, ..Process::default() }
    }

    fn check_of(processes: &[Process]) -> Findings {
        let acknowledged = (0..3).map(|sequence| Acknowledged {
            key: key(),
            sequence,
            record: record(sequence),
            at: 0,
        });
        let published = Published { acknowledged: acknowledged.collect(), failed: 0 };
        check(&published, processes, &[])
    }

    #[test]
    fn what_is_done_once_and_in_order_is_sound() {
        let one = process("a", &[(0, 1, 2), (1, 2, 3), (2, 3, 4)]);
        assert_eq!(check_of(&[one]).defects(), Vec::<String>::new());
    }

    #[test]
    fn what_was_begun_and_not_done_is_lost() {
        let one = process("a", &[(0, 1, 2), (1, 2, 3), (2, 3, 0)]);
        assert_eq!(check_of(&[one]).lost.len(), 1);
    }

    #[test]
    fn a_first_completion_before_an_earlier_one_is_disorder() {
        let one = process("a", &[(0, 1, 2), (2, 2, 3), (1, 4, 5)]);
        assert_eq!(check_of(&[one]).disorder.len(), 1);
    }

    #[test]
    fn two_of_one_key_at_once_are_an_overlap() {
        let one = process("a", &[(0, 1, 4), (1, 3, 5), (2, 6, 7)]);
        assert_eq!(check_of(&[one]).overlaps.len(), 1);
        // Another process may do so only when the first has lost the partition.
        let mut first = process("a", &[(0, 1, 4)]);
        let second = process("b", &[(1, 3, 5), (2, 6, 7)]);
        assert_eq!(check_of(&[first.clone(), second.clone()]).overlaps.len(), 1);
        first.written.revoked.push((2, vec!["payment_events/0".to_owned()]));
        let findings = check_of(&[first, second]);
        assert_eq!((findings.overlaps.len(), findings.allowed_overlaps), (0, 1));
    }

    #[test]
    fn who_thaws_overlaps_until_it_hears_of_its_loss_and_no_longer() {
        let now = process("b", &[(1, 30 * SECOND, 40 * SECOND)]);
        let mut thawed =
            process("a", &[(0, 31 * SECOND, 32 * SECOND), (2, 34 * SECOND, 35 * SECOND)]);
        thawed.frozen = vec![(20 * SECOND, 31 * SECOND)];
        let findings = check_of(&[now, thawed]);
        assert_eq!((findings.overlaps.len(), findings.allowed_overlaps), (1, 1));
    }

    #[test]
    fn a_repetition_is_explained_by_a_kill_only_if_it_was_not_committed() {
        let rest = [(0, 11 * SECOND, 12 * SECOND), (1, 12 * SECOND, 13 * SECOND)];
        let second = process("b", &[&rest[..], &[(2, 13 * SECOND, 14 * SECOND)]].concat());
        let mut first = process("a", &[(0, SECOND, 2 * SECOND), (1, 7 * SECOND, 8 * SECOND)]);
        first.killed = Some(9 * SECOND);
        let findings = check_of(&[first.clone(), second.clone()]);
        assert_eq!((findings.repeats(Cause::Killed), findings.unexplained.len()), (1, 1));
        first.killed = None;
        first.frozen = vec![(9 * SECOND, 20 * SECOND)];
        let findings = check_of(&[first, second]);
        assert_eq!((findings.repeats(Cause::Frozen), findings.unexplained.len()), (1, 1));
    }

    #[test]
    fn what_failed_is_begun_anew_by_the_next_owner_even_if_that_is_the_same_process() {
        let mut one = process("a", &[(0, 1, 2), (0, 5, 6), (1, 7, 8), (2, 9, 10)]);
        one.written.executions[0].end = Some((2, End::Failed));
        assert_eq!(check_of(&[one.clone()]).unexplained.len(), 1);
        one.written.revoked.push((3, vec!["payment_events/0".to_owned()]));
        let findings = check_of(&[one]);
        assert_eq!((findings.begun_anew, findings.defects()), (1, Vec::new()));
    }
}
