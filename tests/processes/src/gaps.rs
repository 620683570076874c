//! How long partitions stand still while load goes on.

use std::collections::BTreeMap;
use std::fmt;

use crate::journal::End;
use crate::journal_check::{Phase, Process};

/// A shorter time between two records is the load's own: each key has one every 0.1 s.
const STILL: i64 = 500_000;

/// What partitions did in a phase.
#[derive(Clone, Debug, Default)]
pub struct Stillness {
    /// The phase.
    pub phase: String,
    /// The longest time between two handled records of a partition, in milliseconds.
    pub longest: i64,
    /// The partition.
    pub partition: String,
    /// When it began, in milliseconds since the phase did; it may have begun before.
    pub since: i64,
    /// How long a partition stood still in all, in milliseconds: the mean of all partitions.
    pub mean: i64,
    /// How often one stood still.
    pub times: usize,
}

impl fmt::Display for Stillness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stillness { phase, longest, partition, since, mean, times } = self;
        let seconds = |ms: &i64| std::time::Duration::from_millis(ms.unsigned_abs()).as_secs_f64();
        write!(
            f,
            "{phase}: longest gap {:.2} s ({partition}, {:.1} s into it), still {:.2} s per partition, {times} gaps above 0.5 s",
            seconds(longest),
            seconds(since),
            seconds(mean)
        )
    }
}

/// The gaps of each phase: one belongs where most of it lies. What is handled again counts like the first time.
#[must_use]
pub fn gaps(processes: &[Process], phases: &[Phase]) -> Vec<Stillness> {
    let mut handled: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for one in processes.iter().flat_map(|process| &process.written.executions) {
        if let Some((at, End::Done)) = one.end {
            handled.entry(&one.partition).or_default().push(at);
        }
    }
    handled.values_mut().for_each(|times| times.sort_unstable());
    phases.iter().map(|phase| of_phase(&handled, phase)).collect()
}

fn of_phase(handled: &BTreeMap<&str, Vec<i64>>, phase: &Phase) -> Stillness {
    let mut found = Stillness { phase: phase.name.clone(), ..Stillness::default() };
    let mut still = 0;
    for (partition, times) in handled {
        for pair in times.windows(2) {
            let [from, to] = pair else { continue };
            if !(phase.from..phase.to).contains(&i64::midpoint(*from, *to)) {
                continue;
            }
            let gap = to - from;
            if gap > STILL {
                still += gap;
                found.times += 1;
            }
            if gap / 1000 > found.longest {
                found.longest = gap / 1000;
                found.partition = (*partition).to_owned();
                found.since = (from - phase.from) / 1000;
            }
        }
    }
    found.mean = still / 1000 / i64::try_from(handled.len().max(1)).unwrap_or(i64::MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Execution, Written};

    fn done(partition: &str, at_ms: i64) -> Execution {
        Execution {
            record: format!("{partition}@{at_ms}"),
            partition: partition.to_owned(),
            key: ("payment_events".to_owned(), 1),
            sequence: 0,
            attempt: 1,
            begin: at_ms * 1000 - 1,
            end: Some((at_ms * 1000, End::Done)),
        }
    }

    #[test]
    fn a_gap_spans_processes_and_belongs_to_the_phase_in_which_most_of_it_lies() {
        let process = |executions| Process {
            written: Written { executions, ..Written::default() },
            ..Process::default()
        };
        let first = process(vec![done("a/0", 100), done("a/0", 200), done("b/0", 150)]);
        let second = process(vec![done("a/0", 3200), done("b/0", 250)]);
        let phase = |name: &str, from_ms: i64, to_ms: i64| Phase {
            name: name.to_owned(),
            from: from_ms * 1000,
            to: to_ms * 1000,
            explains: None,
        };
        let found = gaps(&[first, second], &[phase("one", 100, 2000), phase("two", 2000, 9000)]);
        assert_eq!((found[0].longest, found[0].partition.as_str()), (3000, "a/0"));
        assert_eq!((found[0].since, found[0].mean, found[0].times), (100, 1500, 1));
        assert_eq!((found[1].longest, found[1].times), (0, 0));
    }
}
