//! Many seeds of the simulation, and that a seed is always the same story.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use engine_tests::simulation::{Report, run, run_in_calm};
use engine_tests::stats::Stats;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn print_report(report: &Report) {
    let log = std::env::temp_dir().join(format!("event-core-simulation-{}.log", report.seed));
    let again = run(report.seed, true);
    let written = std::fs::write(&log, again.log.join("\n"));
    let seed = report.seed;
    let wrong = report.violations.join("\n    ");
    panic!(
        "seed {seed} went wrong:\n    {wrong}\n  the history is in {} ({written:?})\n  replay: SEED={seed} cargo test -p engine-tests --test simulation",
        log.display()
    );
}

/// `SEED=n` runs only that one, `FAULTS=n` as many seeds as it takes; 10 000 faults otherwise.
/// `FIRST_SEED=n` begins with another than 1.
#[test]
fn nothing_is_lost_and_only_faults_repeat() {
    if let Some(seed) = number("SEED") {
        let report = run(seed, true);
        println!("{}\n{}", report.log.join("\n"), report.stats);
        if !report.violations.is_empty() {
            print_report(&report);
        }
        return;
    }
    let wanted = number("FAULTS").unwrap_or(10_000);
    let first = number("FIRST_SEED").unwrap_or(1);
    let (next, faults) = (AtomicU64::new(first), AtomicU64::new(0));
    let (stats, first_wrong) = (Mutex::new(Stats::default()), Mutex::new(None::<Report>));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while faults.load(Ordering::Relaxed) < wanted {
                    let report = run(next.fetch_add(1, Ordering::Relaxed), false);
                    faults.fetch_add(report.stats.all_faults(), Ordering::Relaxed);
                    stats.lock().unwrap_or_else(PoisonError::into_inner).add(&report.stats);
                    if !report.violations.is_empty() {
                        faults.fetch_add(wanted, Ordering::Relaxed);
                        let mut wrong = first_wrong.lock().unwrap_or_else(PoisonError::into_inner);
                        wrong.get_or_insert(report);
                    }
                }
            });
        }
    });
    let wrong = first_wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    wrong.iter().for_each(print_report);
    println!("{}", stats.into_inner().unwrap_or_else(PoisonError::into_inner));
    println!("first seed {first}: lost 0, out of order 0, repeated without a cause 0");
}

#[test]
fn a_seed_replays_to_the_same_history() {
    for seed in 0..5 {
        let (first, second) = (run(seed, true), run(seed, true));
        assert!(first.log.len() > 100);
        for (one, other) in first.log.iter().zip(&second.log) {
            assert_eq!(one, other, "seed {seed}");
        }
        assert_eq!(first.log.len(), second.log.len());
        assert_ne!(first.log, run(seed + 1000, true).log);
    }
}

#[test]
fn without_faults_nothing_comes_twice() {
    let mut stats = Stats::default();
    for seed in 0..50 {
        let report = run_in_calm(seed);
        assert_eq!(report.violations, Vec::<String>::new(), "seed {seed}");
        stats.add(&report.stats);
    }
    assert!(stats.records > 5000 && stats.letters > 500, "{stats}");
    assert!(stats.faults.is_empty() && stats.duplicates.is_empty(), "{stats}");
    assert!(stats.second_letters.is_empty(), "{stats}");
}
