//! Random programs for the engine, compared with a model; one that fails is made as short as it goes.

use engine_tests::model::{CommitFault, Ran, Step, Which, run};
use engine_tests::script::Act;
use event_core::handler::Order;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::cell::RefCell;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn step() -> impl Strategy<Value = Step> {
    let which =
        prop_oneof![Just(Which::Oldest), Just(Which::Newest), (0..8_usize).prop_map(Which::Any),];
    let act = prop_oneof![
        6 => Just(Act::Succeed),
        3 => Just(Act::Fail),
        1 => Just(Act::Panic),
        1 => Just(Act::Refuse),
        1 => Just(Act::Skip),
    ];
    let lane = 0..3_usize;
    let fault = prop_oneof![Just(CommitFault::Before), Just(CommitFault::After)];
    prop_oneof![
        8 => (lane.clone(), 1..6_usize, 0..1000_u64)
            .prop_map(|(lane, count, seed)| Step::Deliver { lane, count, seed }),
        16 => (which, act).prop_map(|(which, act)| Step::End(which, act)),
        8 => prop_oneof![1..60_u64, 100..800_u64].prop_map(Step::Advance),
        2 => lane.clone().prop_map(Step::Revoke),
        2 => lane.clone().prop_map(Step::Lose),
        6 => lane.clone().prop_map(Step::Assign),
        2 => (lane.clone(), 1..4_usize).prop_map(|(lane, count)| Step::Stale { lane, count }),
        3 => (lane, 0..3_i64).prop_map(|(lane, marks)| Step::Pass { lane, marks }),
        1 => any::<bool>().prop_map(Step::RefuseLetters),
        1 => fault.prop_map(Step::FailCommit),
        1 => Just(Step::Crash),
        1 => any::<bool>().prop_map(|finish| Step::Restart { finish }),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Partition), Just(Order::Key), Just(Order::None)]
}

/// `MODEL_STEPS=n` runs so many steps, 20 000 otherwise; `MODEL_SEED=n` begins with another seed, `MODEL_SHRINK_MS=n`
/// makes a program that fails shorter for so long.
#[test]
fn the_engine_does_what_the_model_allows() {
    let wanted = number("MODEL_STEPS").unwrap_or(20_000);
    let seed = number("MODEL_SEED").unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let ran: Vec<(u64, Ran)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| scope.spawn(move || work(worker, threads, seed, wanted / threads + 1)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| panic!("see above")))
            .collect()
    });
    let programs: u64 = ran.iter().map(|(programs, _)| programs).sum();
    let steps: u64 = ran.iter().map(|(_, ran)| ran.steps).sum();
    let idle: u64 = ran.iter().map(|(_, ran)| ran.idle).sum();
    println!("{programs} programs, {steps} steps and {idle} more that had no effect, seed {seed}");
}

fn work(worker: u64, workers: u64, first_seed: u64, wanted: u64) -> (u64, Ran) {
    let shrink_ms = number("MODEL_SHRINK_MS").and_then(|ms| ms.try_into().ok()).unwrap_or(20_000);
    let total = RefCell::new((0_u64, Ran::default()));
    let mut seed = first_seed + worker;
    while total.borrow().1.steps < wanted {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config {
            cases: 20,
            failure_persistence: None,
            max_shrink_iters: 5000,
            max_shrink_time: shrink_ms,
            ..Config::default()
        };
        let result = TestRunner::new_with_rng(config, rng).run(
            &(order(), any::<bool>(), vec(step(), 1..100)),
            |(order, in_batches, steps)| {
                let ran = run(order, in_batches, &steps).map_err(TestCaseError::fail)?;
                let (programs, total) = &mut *total.borrow_mut();
                *programs += 1;
                total.steps += ran.steps;
                total.idle += ran.idle;
                Ok(())
            },
        );
        if let Err(error) = result {
            let replay = format!("MODEL_SEED={seed} MODEL_STEPS=1");
            panic!("{error}\n  replay: {replay} cargo test -p engine-tests --test model");
        }
        seed += workers;
    }
    total.into_inner()
}
