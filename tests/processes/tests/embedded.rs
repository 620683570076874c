//! Processes of one group at an embedded broker.

use process_tests::cluster::{Cluster, Rig};
use process_tests::scenario::{Faults, joins, run, seed};
use tokio::sync::Mutex;

const RIG: Rig = Rig {
    member: env!("CARGO_BIN_EXE_ledger-member"),
    broker: env!("CARGO_BIN_EXE_embedded-broker"),
    folder: env!("CARGO_TARGET_TMPDIR"),
};

/// One at a time: what a test measures is its own.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_members_die_join_and_leave_and_the_broker_is_away() {
    let _alone = ALONE.lock().await;
    let faults = Faults { deaths: true, together: true, joins: joins(6), broker: true };
    run(&RIG, Cluster::embedded(&RIG), "everything", seed(), faults).await.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repeated_when_nothing_happens() {
    let _alone = ALONE.lock().await;
    let row = run(&RIG, Cluster::embedded(&RIG), "no fault", seed(), Faults::NONE).await;
    row.assert_sound();
    assert!(row.findings.repeats.is_empty(), "{:?}", row.findings.repeats);
}
