use super::*;

fn revoked(service: &Service, lost: bool) {
    service.emit(&Observation::Revoked { partitions: &[claims()], epoch: EPOCH, lost });
}

fn words(service: &Service) -> String {
    service.health.problems()[0].to_string()
}

#[tokio::test(start_paused = true)]
async fn a_group_is_ready_when_it_was_joined() {
    let service = Service::new();
    advance(Duration::from_secs(12)).await;
    assert_eq!(service.says(), (true, false, vec!["not_assigned"]));
    assert!(
        words(&service)
            .contains("not confirmed the membership of this process in the 12s since the start")
    );
    let service = service.joined().with_lag(0);
    assert_eq!(service.says(), (true, true, vec![]));
    revoked(&service, false);
    assert_eq!(service.says(), (true, true, vec![]), "others have the partitions now");
}

#[tokio::test(start_paused = true)]
async fn a_lost_membership_ends_readiness_until_the_group_answers_again() {
    let service = Service::new().joined().with_lag(0);
    revoked(&service, true);
    // That the broker answers says nothing of the group.
    service.health.answered(Ok(&[]));
    service.group.note_coordinator(true);
    advance(Duration::from_secs(3600)).await;
    assert_eq!(service.says(), (true, false, vec!["not_assigned"]));
    assert!(words(&service).contains("removed this process 3600s ago"));
    // Others have all partitions now.
    service.emit(&Observation::Assigned { partitions: &[], epoch: EPOCH });
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_membership_names_the_right_that_is_missing() {
    let service = Service::new().joined().with_lag(0);
    let error = BrokerError::Unauthorised("group `orders`: grant the service `READ`".to_owned());
    service.emit(&Observation::BrokerError(&error));
    assert_eq!(service.says(), (true, true, vec![]), "as long as it has its partitions");
    revoked(&service, true);
    assert!(words(&service).ends_with("grant the service `READ`"), "{}", words(&service));
    service.emit(&Observation::Assigned { partitions: &[claims()], epoch: EPOCH });
    revoked(&service, true);
    assert!(words(&service).ends_with("has not rejoined"), "{}", words(&service));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_taken_and_given_back_changes_nothing() {
    let service = Service::new().joined().with_lag(0);
    let other = TopicPartition { partition: 1, ..claims() };
    for lost in [false, true] {
        let others = std::slice::from_ref(&other);
        service.emit(&Observation::Assigned { partitions: others, epoch: EPOCH });
        assert!(service.health.is_healthy());
        service.emit(&Observation::Revoked { partitions: others, epoch: EPOCH, lost });
        assert!(service.health.is_healthy());
    }
}

#[tokio::test(start_paused = true)]
async fn a_spare_member_is_ready_once_assigned_or_confirmed() {
    let service = Service::new();
    service.emit(&Observation::Assigned { partitions: &[], epoch: EPOCH });
    assert!(service.health.is_ready());

    let service = Service::new();
    assert_eq!(service.group.doubt(), None);
    advance(Duration::from_secs(31)).await;
    service.health.answered(Ok(&[]));
    assert!(!service.health.is_ready(), "the group has not answered");
    assert_eq!(service.group.doubt(), Some(claims()));
    service.group.note_coordinator(false);
    assert!(!service.health.is_ready());
    service.group.note_coordinator(true);
    assert!(service.health.is_ready());
    service.group.note_coordinator(false);
    assert!(!service.health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn who_has_no_partition_does_not_know_the_lag() {
    let service = Service::new();
    let lag = || service.health.groups()[0].lag();
    assert_eq!(lag(), None);
    service.emit(&Observation::Assigned { partitions: &[], epoch: EPOCH });
    service.health.answered(Ok(&[]));
    assert_eq!(lag(), None);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_cannot_join_is_reported_with_its_topics() {
    let service = Service::new().joined().with_lag(0);
    let [in_it, apart] = [claims().topic, TopicName::from_static("user_events")]
        .map(|topic| Arc::new(Heartbeat::begun_before_of(Duration::from_secs(20), &[topic])));
    for heartbeat in [&in_it, &apart] {
        heartbeat.beat();
    }
    in_it.note_member(true);
    service.group.set_heartbeats(vec![in_it, Arc::clone(&apart)]);
    assert_eq!(service.says(), (true, false, vec!["not_assigned"]));
    assert!(words(&service).contains("no member in this process for `user_events` for 20s"));
    apart.note_member(true);
    assert_eq!(service.says(), (true, true, vec![]));
    // A group that shares its partitions out anew is left for a moment.
    apart.note_member(false);
    assert_eq!(service.says(), (true, true, vec![]));
}
