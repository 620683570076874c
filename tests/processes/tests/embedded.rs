//! Processes of one group at an embedded broker.
//!
//! `PROCESSES_JOINS=60` makes the storm of joins as long, `PROCESSES_SEED` repeats a run.

mod shared;

use process_tests::cluster::Cluster;
use process_tests::scenario::{Faults, joins};
use shared::RIG;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_members_die_join_and_leave_and_the_broker_is_away() {
    let joins = joins(4);
    let faults = Faults { deaths: true, together: joins.as_secs() < 30, joins, broker: true };
    let _ = shared::nothing_is_lost(Cluster::embedded(&RIG), "everything", faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repeated_when_nothing_happens() {
    shared::nothing_is_repeated(Cluster::embedded(&RIG)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_with_0_and_nothing_is_repeated() {
    shared::sigterm_drains(Cluster::embedded(&RIG)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_ends_is_named_and_ends_the_process_with_1() {
    shared::what_never_ends_is_named(Cluster::embedded(&RIG)).await;
}
