use super::*;
use crate::broker::kafka::budget::Charge;
use crate::broker::kafka::committed::names;
use crate::broker::kafka::raw::leader_epochs_in;

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::from_static("role_events"), partition: number }
}

#[test]
fn progress_of_an_old_epoch_is_dropped() {
    let mut assignment = Assignment::default();
    let old = assignment.add(&[partition(0), partition(1)]);
    assert!(assignment.remove(&[partition(0)]).is_none());
    let new = assignment.add(&[partition(0)]);
    let progress = |number, epoch| Progress {
        partition: partition(number),
        epoch,
        next: NextOffset(7),
        metadata: String::new(),
    };
    assert!(assignment.committable(&[progress(0, old), progress(2, new)]).is_none());
    let both = assignment.committable(&[progress(0, new), progress(1, old), progress(0, old)]);
    assert_eq!(both.map(|list| list.count()), Some(2));
}

#[test]
fn a_commit_names_the_leader_epoch_of_the_record_before_it() {
    let mut assignment = Assignment::default();
    let epoch = assignment.add(&[partition(0)]);
    // Committed before, read since, behind a mark of which nothing is known, and read again.
    let known = [(6, Some(2)), (7, Some(2)), (9, Some(3)), (19, None), (20, Some(3))];
    for (first, leader_epoch) in known {
        assignment.note_leader_epoch(&partition(0), first, leader_epoch);
    }
    let named = |assignment: &Assignment, next| {
        let (partition, metadata) = (partition(0), String::new());
        let done = Progress { partition, epoch, next: NextOffset(next), metadata };
        let list = assignment.committable(&[done]);
        list.and_then(|list| leader_epochs_in(&list)[0])
    };
    let read = |assignment: &Assignment| [6, 7, 9, 10, 19, 20, 21].map(|n| named(assignment, n));
    let expected = [None, Some(2), Some(2), Some(3), Some(3), None, Some(3)];
    assert_eq!(read(&assignment), expected);
    assignment.note_leader_epoch(&partition(0), 8, Some(5));
    let expected = [None, Some(2), Some(5), Some(5), Some(5), Some(5), Some(5)];
    assert_eq!(read(&assignment), expected);
    // Whoever had it in between knows better.
    assignment.add(&[partition(0)]);
    assert_eq!(assignment.leader_epochs.before(&partition(0), NextOffset(10)), None);
}

#[test]
fn what_is_still_held_counts_when_a_partition_comes_back() {
    let budget = Budget::new(100 << 10);
    let mut assignment = Assignment::default();
    assignment.add(&[partition(0), partition(1)]);
    budget.add_partitions(2);
    let before = assignment.open("role_events", 0).map(|owned| owned.in_flight);
    let retained = before.map(|in_flight| budget.charge(&in_flight, 60 << 10));
    assert!(assignment.remove(&[partition(0), partition(1)]).is_none());
    assignment.add(&[partition(0), partition(1)]);
    let count = |list: Option<TopicPartitionList>| list.map(|list| list.count());
    assert_eq!(count(assignment.take_pausing(&budget)), Some(1));
    assert!(assignment.has_paused());
    assert_eq!(count(assignment.take_pausing(&budget)), None, "it is paused once");
    assert_eq!(count(assignment.take_resuming(&budget)), None);
    drop(retained);
    assert_eq!(count(assignment.take_resuming(&budget)), Some(1));
    assert!(!assignment.has_paused());
}

#[test]
fn a_revocation_while_paused_is_reported_once() {
    let budget = Budget::new(100 << 10);
    let mut assignment = Assignment::default();
    assignment.add(&[partition(0), partition(1)]);
    let in_flight = assignment.open("role_events", 1).map(|owned| owned.in_flight);
    let _retained = in_flight.map(|in_flight| budget.charge(&in_flight, 200 << 10));
    assert!(assignment.take_pausing(&budget).is_some());
    let paused = assignment.remove(&[partition(0), partition(1)]);
    let paused = paused.map(|list| names(&list));
    assert_eq!(paused, Some(vec![partition(1)]));
    assert!(!assignment.has_paused());
    assert!(assignment.remove(&[partition(0), partition(1)]).is_none());
}

#[test]
fn a_stopped_partition_is_committed_but_not_read_until_it_is_assigned_anew() {
    let budget = Budget::new(100 << 10);
    let mut assignment = Assignment::default();
    let epoch = assignment.add(&[partition(0)]);
    assert!(assignment.stop("role_events", 0));
    assert!(!assignment.stop("role_events", 0), "it is reported once");
    assert!(assignment.open("role_events", 0).is_none());
    assert!(assignment.is_current(&partition(0), epoch));
    assert!(assignment.take_pausing(&budget).is_some());
    assert!(assignment.take_resuming(&budget).is_none());
    assert!(assignment.remove(&[partition(0)]).is_some());
    assignment.add(&[partition(0)]);
    assert!(assignment.open("role_events", 0).is_some());
}

/// Logs that begin with 0 and end there, by the number of the partition.
fn log(end: [i64; 2]) -> impl Fn(&TopicPartition) -> Option<(NextOffset, NextOffset)> + Copy {
    move |one| Some((NextOffset(0), NextOffset(end[one.partition as usize])))
}

fn in_flight(assignment: &Assignment, number: i32) -> Arc<InFlight> {
    assignment.open("role_events", number).map(|owned| owned.in_flight).unwrap()
}

fn charge_enough(budget: &Arc<Budget>, assignment: &Assignment, number: i32) -> Charge {
    let in_flight = in_flight(assignment, number);
    budget.charge(&in_flight, budget.enough(&in_flight))
}

#[test]
fn messages_are_left_while_lanes_have_enough_and_taken_for_who_has_none() {
    let budget = Budget::new(1 << 20);
    budget.add_partitions(2);
    let mut assignment = Assignment::default();
    assignment.add(&[partition(0), partition(1)]);
    let (now, ends) = (Instant::now(), log([100, 10]));
    assert_eq!(assignment.need(&budget, now, ends), Need::More);
    let hot = charge_enough(&budget, &assignment, 0);
    // The other one has records, of which none has come yet.
    assert_eq!(assignment.need(&budget, now, ends), Need::More);
    assignment.advance(&partition(1), Some(NextOffset(9)), None);
    assert_eq!(assignment.need(&budget, now, ends), Need::More);
    assignment.advance(&partition(1), Some(NextOffset(10)), None);
    assert_eq!(assignment.need(&budget, now, ends), Need::Perhaps);
    assert_eq!(assignment.need(&budget, now, log([100, 11])), Need::More);
    let other = charge_enough(&budget, &assignment, 1);
    assert_eq!(assignment.need(&budget, now, ends), Need::Nothing);
    // One that is not fetched needs nothing.
    drop(other);
    assert!(assignment.stop("role_events", 1));
    assert_eq!(assignment.need(&budget, now, log([100, 11])), Need::Nothing);
    drop(hot);
    assert_eq!(assignment.need(&budget, now, ends), Need::More);
}

/// Nobody gets the records of a transaction before its end.
#[test]
fn messages_are_left_although_a_partition_stands_before_an_open_transaction() {
    let budget = Budget::new(1 << 20);
    budget.add_partitions(2);
    let mut assignment = Assignment::default();
    assignment.add(&[partition(0), partition(1)]);
    let (began, ends) = (Instant::now(), log([100, 11]));
    let need = |assignment: &mut Assignment, ms| {
        assignment.need(&budget, began + Duration::from_millis(ms), ends)
    };
    assignment.advance(&partition(1), Some(NextOffset(10)), None);
    let _hot = charge_enough(&budget, &assignment, 0);
    use Need::{More, Perhaps};
    let needs = [0, 999, 1000, 9999].map(|ms| need(&mut assignment, ms));
    assert_eq!(needs, [More, More, Perhaps, Perhaps]);
    // It may be over by now.
    let needs = [10_000, 10_999, 11_000, 60_000].map(|ms| need(&mut assignment, ms));
    assert_eq!(needs, [More, More, Perhaps, More]);
    // The transaction has ended, and its mark is passed.
    assignment.advance(&partition(1), Some(NextOffset(11)), None);
    assert_eq!(assignment.need(&budget, began, log([100, 12])), Need::More);
}
