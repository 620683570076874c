use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn other() -> TopicPartition {
    TopicPartition { topic: TopicName::from_static("user_events"), partition: 0 }
}

/// A group that goes on in one topic, while a record waits in the partition of another.
async fn beside_a_busy_one(happens: &[Observation<'_>]) -> Vec<&'static str> {
    let handlers = [
        (claims().topic, ["bill".to_owned()].into()),
        (other().topic, ["greet".to_owned()].into()),
    ];
    let service = Service::with(HealthRules {
        liveness_after: FIVE_MINUTES,
        handlers: handlers.into(),
        ..HealthRules::default()
    });
    let service = service.joined().with_lag(1);
    service.emit(&Observation::Assigned { partitions: &[other()], epoch: EPOCH });
    happens.iter().for_each(|one| service.emit(one));
    for next in 1..8 {
        let next = NextOffset(next);
        service.emit(&Observation::CommitSent { partition: &other(), epoch: EPOCH, next });
        service.emit(&Observation::Committed { partition: &other(), epoch: EPOCH, next });
        service.health.answered(Ok(&[(other(), NextOffset(0), NextOffset(100))]));
        service.wait(MINUTE, true).await;
    }
    assert!(service.health.is_live());
    service.codes()
}

#[tokio::test(start_paused = true)]
async fn a_stalled_partition_is_reported_beside_one_that_goes_on() {
    assert_eq!(beside_a_busy_one(&[]).await, ["partition_stalled"]);
}

#[tokio::test(start_paused = true)]
async fn a_stall_reason_covers_the_partitions_that_it_explains() {
    let (claims, other) = (claims(), other());
    let retrying = |partition, handler| Observation::Retrying {
        partition,
        offset: Offset(7),
        handler,
        attempt: 1,
        delay: MINUTE * 60,
        error: "no",
    };
    let opened = |handler| Observation::BreakerOpened { handler, pause: MINUTE, error: "no" };
    for own in [Observation::Paused { handler: "bill" }, opened("bill"), retrying(&claims, "bill")]
    {
        assert!(beside_a_busy_one(std::slice::from_ref(&own)).await.is_empty(), "{own:?}");
    }
    for others in
        [Observation::Paused { handler: "greet" }, opened("greet"), retrying(&other, "greet")]
    {
        let reported = beside_a_busy_one(std::slice::from_ref(&others)).await;
        assert_eq!(reported, ["partition_stalled"], "{others:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_or_idle_or_has_only_marks_is_not_stuck() {
    let service = Service::new().joined().with_lag(1000);
    service.emit(&Observation::Assigned { partitions: &[other()], epoch: EPOCH });
    // Only the mark of a transaction lies there.
    service.group.note_committed(&other(), Some(NextOffset(3)));
    service.health.answered(Ok(&[(other(), NextOffset(0), NextOffset(4))]));
    for next in 8..20 {
        // A batch is as long under way as it may be, and more is not read meanwhile.
        service.emit(&Observation::FetchPaused(&[claims()]));
        advance(FIVE_MINUTES - Duration::from_secs(1)).await;
        for suspect in service.group.suspects() {
            let is_marks = suspect.partition == other();
            service.group.note_looked(&suspect, !is_marks);
        }
        assert_eq!(service.says(), (true, true, vec![]), "at {next}");
        service.emit(&Observation::FetchResumed(&[claims()]));
        service.emit(&commit_sent(next));
    }
    assert_eq!(service.group.suspects(), [], "what was read is not read again");
}
