use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn committed(service: &Service, next: i64) {
    let next = NextOffset(next);
    service.emit(&Observation::Committed { partition: &claims(), epoch: EPOCH, next });
}

fn failed(service: &Service) {
    let error = BrokerError::Other("the coordinator is gone".to_owned());
    service.emit(&Observation::CommitFailed(&error));
}

/// Each of `times` the commit is sent and fails, ten seconds apart.
async fn fails(service: &Service, times: u32) {
    for _ in 0..times {
        service.emit(&commit_sent(9));
        failed(service);
        advance(Duration::from_secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn commits_that_fail_for_a_minute_end_readiness_until_one_arrives() {
    let service = Service::new().joined();
    fails(&service, 5).await;
    assert_eq!(service.says(), (true, true, vec![]));
    fails(&service, 2).await;
    assert_eq!(service.says(), (true, false, vec!["commits_fail"]));
    let words = service.health.problems()[0].to_string();
    for word in ["`billing`", "role_events/0", "70s", "the coordinator is gone"] {
        assert!(words.contains(word), "{word} is not in {words}");
    }
    committed(&service, 9);
    assert_eq!(service.says(), (true, true, vec![]));
    // What follows begins anew, and nothing is under way that could fail.
    failed(&service);
    advance(MINUTE * 2).await;
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_arrives_now_and_then_is_enough() {
    let service = Service::new().joined();
    for _ in 0..10 {
        fails(&service, 5).await;
        // One that was sent before what is under way now.
        committed(&service, 8);
    }
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn commits_of_another_partition_explain_nothing_and_revoked_partitions_are_no_problem() {
    let service = Service::new().joined();
    let other = TopicPartition { partition: 1, ..claims() };
    for next in 1..8 {
        let next = NextOffset(next);
        service.emit(&Observation::CommitSent { partition: &other, epoch: EPOCH, next });
        fails(&service, 1).await;
        service.emit(&Observation::Committed { partition: &other, epoch: EPOCH, next });
    }
    match &service.health.problems()[..] {
        [HealthProblem::CommitsFail { partitions, .. }] => assert_eq!(*partitions, [claims()]),
        other => panic!("{other:?}"),
    }
    let partitions = &[claims()];
    service.emit(&Observation::Revoked { partitions, epoch: EPOCH, lost: false });
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn who_commits_rarely_has_time_to_commit_again() {
    let service = Service::with(HealthRules {
        liveness_after: FIVE_MINUTES,
        commit_interval: FIVE_MINUTES,
        ..HealthRules::default()
    });
    let service = service.joined();
    fails(&service, 1).await;
    advance(FIVE_MINUTES).await;
    assert_eq!(service.says(), (true, true, vec![]));
    advance(MINUTE).await;
    assert_eq!(service.codes(), ["commits_fail"]);
}
