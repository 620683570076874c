//! What is asserted on every broker.

#![expect(clippy::expect_used, reason = "a test")]

use process_tests::cluster::{Cluster, Rig};
use process_tests::journal_check::Cause;
use process_tests::scenario::{Faults, run, seed};
use process_tests::shutdown;
use process_tests::table::Row;

pub(crate) const RIG: Rig = Rig {
    member: env!("CARGO_BIN_EXE_ledger-member"),
    broker: env!("CARGO_BIN_EXE_embedded-broker"),
    folder: env!("CARGO_TARGET_TMPDIR"),
};

pub(crate) async fn nothing_is_lost(cluster: Cluster, name: &str, faults: Faults) -> Row {
    let row = run(&RIG, cluster, name, seed(), faults).await;
    row.assert_sound();
    // What a partition has done is committed before it goes to another.
    assert_eq!(row.findings.repeats(Cause::Joins), 0);
    row
}

pub(crate) async fn nothing_is_repeated(cluster: Cluster) {
    let row = run(&RIG, cluster, "no fault", seed(), Faults::NONE).await;
    row.assert_sound();
    assert!(row.findings.repeats.is_empty(), "{:?}", row.findings.repeats);
}

pub(crate) async fn sigterm_drains(cluster: Cluster) {
    let row = shutdown::drain(&RIG, &cluster).await;
    row.assert_sound();
    assert!(row.findings.repeats.is_empty(), "{:?}", row.findings.repeats);
}

pub(crate) async fn what_never_ends_is_named(cluster: Cluster) {
    let (code, log, record) = shutdown::endless(&RIG, &cluster).await;
    assert_eq!(code, Some(1), "{log}");
    let named = log.lines().find_map(|line| line.split_once(&format!("` has had {record} for ")));
    let Some((handler, since)) = named else { panic!("{record} is not named:\n{log}") };
    assert!(handler.ends_with("make_payment"), "{handler}");
    // It was in flight for the whole second that it had.
    let seconds: f64 = since.trim_end_matches(['s', '"']).parse().expect(since);
    assert!((0.5..10.0).contains(&seconds), "{since}");
}
