//! What ends readiness or liveness, and what does not.

use super::*;

mod fragile {
    use super::*;

    #[derive(Clone, Default)]
    pub(super) struct Bank(pub(super) Arc<AtomicBool>);

    #[event_handler(breaker(failures = 2, pause = "20ms..50ms"), retry(attempts = 1000))]
    async fn bill(_: Event<ClaimAdded>, State(bank): State<Bank>) -> Result {
        match bank.0.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::msg("the bank is closed")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_is_reported() {
    let bank = fragile::Bank::default();
    let service = Service::start(app("problems::fragile").state(bank.clone()), memory()).await;
    service.publish(0..1).await;
    let health = service.says(200, 200, &["breaker_open"]).await;
    assert_eq!(health["problems"][0]["group"], "admin");
    let message = health["problems"][0]["message"].as_str().unwrap();
    assert!(message.contains("bill") && message.contains("the bank is closed"), "{message}");
    assert_eq!(health["problems"][0]["ends"], serde_json::json!([]));
    bank.0.store(true, Ordering::Relaxed);
    service.says(200, 200, &[]).await;
    service.stop().await;
}

mod refuses {
    use super::*;

    #[event_handler]
    async fn refuse(_: Event<ClaimAdded>) -> Result {
        Err(Error::msg("never").dead_letter())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_that_refuses_ends_readiness_until_it_is_mended() {
    let broker = memory();
    let dlq = TopicName::from_static("role_events_dlq");
    let service = Service::start(app("problems::refuses"), broker.clone()).await;
    service.says(200, 200, &[]).await;
    broker.refuse_writes(&dlq, Some(BrokerError::Unauthorised("write to role_events_dlq".into())));
    service.publish(0..1).await;
    let health = service.says(200, 503, &["dead_letter_blocked"]).await;
    assert_eq!(health["status"], "DOWN");
    assert_eq!(health["problems"][0]["ends"], serde_json::json!(["ready"]));
    broker.refuse_writes(&dlq, None);
    service.says(200, 200, &[]).await;
    service.stop().await;
}

mod hangs {
    use super::*;

    #[event_handler(id = "hang")]
    async fn hang(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        if seen.note(event.id) == 1 {
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_drains_is_live_and_not_ready() {
    let seen = Seen::default();
    let service = Service::start(app("problems::hangs").state(seen.clone()), memory()).await;
    service.publish(0..1).await;
    eventually(|| (!seen.ids().is_empty()).then_some(())).await;
    let Service { address, stop, ended, .. } = service;
    let _ = stop.send(());
    let health = eventually(|| {
        let (status, health) = http(address, "GET", "/health/ready");
        (status == 503).then_some(health)
    })
    .await;
    assert_eq!(codes_of(&health), ["shutting_down"]);
    assert_eq!(http(address, "GET", "/health/live").0, 200);
    ended.abort();
}

/// Looks at health once a second, as a supervisor does, until it is not live; says after how long.
async fn lives(service: &event_core::observe::Health, at_most: Duration) -> Option<Duration> {
    let began = tokio::time::Instant::now();
    while began.elapsed() < at_most {
        if !service.is_live() {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_ends_liveness_after_the_time_that_is_set() {
    let (app, broker) = (app("problems::hangs").state(Seen::default()), memory());
    let (health, control) = (app.health(), app.control());
    let settings = settings(&[("EVENT_LIVENESS_AFTER", "10m")]);
    let running = tokio::spawn(app.run_on(broker.clone(), settings, std::future::pending()));
    // While nothing waits it may be idle for ever.
    assert_eq!(lives(&health, Duration::from_secs(3 * 3600)).await, None);
    EventProducer::new(broker.producer().unwrap()).send(&claim(0)).await.unwrap();
    let after = lives(&health, Duration::from_secs(3 * 3600)).await.unwrap();
    let minutes = Duration::from_secs(60);
    assert!((10 * minutes..11 * minutes).contains(&after), "{after:?}");
    match &health.problems()[..] {
        [HealthProblem::Stalled { partition, .. }] => {
            assert_eq!(partition.to_string(), "role_events/0");
        }
        other => panic!("{other:?}"),
    }
    // What a person has paused is no problem.
    control.pause_handler("hang");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(health.is_live());
    running.abort();
}

mod one_key_hangs {
    use super::*;

    #[event_handler(id = "by_key", order = key, concurrency = 8)]
    async fn by_key(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        seen.note(event.id);
        if event.id == 0 {
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_on_beside_a_stuck_key_is_live() {
    let (app, broker) = (app("problems::one_key_hangs").state(Seen::default()), memory());
    let health = app.health();
    let running = tokio::spawn(app.run_on(broker.clone(), settings(&[]), std::future::pending()));
    let producer = EventProducer::new(broker.producer().unwrap());
    let hour = Duration::from_secs(3600);
    for id in 0..60 {
        // Another key each time.
        producer.send(&ClaimAdded { id, role_id: i64::try_from(id).unwrap() }).await.unwrap();
        assert_eq!(lives(&health, Duration::from_secs(60)).await, None, "claim {id}");
    }
    assert!(health.groups()[0].lag().unwrap() >= 59, "the offset is stuck, and reported");
    assert!(lives(&health, hour).await.is_some(), "nothing is settled any more");
    running.abort();
}

mod two_groups {
    use super::*;

    #[event_handler(id = "works")]
    async fn works(_: Event<ClaimAdded>) {}

    #[event_handler(id = "stuck", group = "audit")]
    async fn stuck(_: Event<ClaimAdded>) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn groups_are_checked_one_by_one() {
    let (app, broker) = (app("problems::two_groups"), memory());
    let (health, control) = (app.health(), app.control());
    let running = tokio::spawn(app.run_on(broker.clone(), settings(&[]), std::future::pending()));
    let producer = EventProducer::new(broker.producer().unwrap());
    let mut problems = Vec::new();
    // The other group has always something to do, and is paused in the end: neither explains this one.
    for id in 0..20 {
        producer.send(&claim(id)).await.unwrap();
        if id == 3 {
            control.pause_handler("works");
        }
        lives(&health, Duration::from_secs(60)).await;
        problems = health.problems();
    }
    match &problems[..] {
        [HealthProblem::Stalled { group, .. }] => assert_eq!(group.as_str(), "audit"),
        other => panic!("{other:?}"),
    }
    let groups = health.groups();
    let seen: Vec<_> =
        groups.iter().map(|group| (group.group.as_str(), &group.paused[..])).collect();
    assert_eq!(seen, [("admin", &["works".to_owned()][..]), ("audit", &[][..])]);
    running.abort();
}

mod loses {
    use super::*;

    #[event_handler(id = "note")]
    async fn note(_: Event<ClaimAdded>) {}

    /// Notes of partitions that went whether they were lost, and whether the service was ready until
    /// the next ones came.
    pub(super) struct Going(pub(super) Health, pub(super) Mutex<Vec<(bool, bool)>>);

    impl Observer for Going {
        fn observe(&self, observation: &Observation<'_>) {
            let mut went = self.1.lock().unwrap();
            match observation {
                Observation::Revoked { lost, .. } => went.push((*lost, true)),
                Observation::Assigned { .. } => {
                    // The listener of health is the last to hear of it.
                    if let Some(last) = went.last_mut() {
                        last.1 = self.0.is_ready();
                    }
                }
                _ => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_lost_everything_is_not_ready_until_it_is_in_again() {
    let (app, broker) = (app("problems::loses"), memory());
    let health = app.health();
    let going = Arc::new(loses::Going(health.clone(), Mutex::default()));
    let app = app.observer(going.clone());
    let running = tokio::spawn(app.run_on(broker.clone(), settings(&[]), std::future::pending()));
    lives(&health, Duration::from_secs(10)).await;
    let group = GroupName::parse("admin").unwrap();
    let claims = [TopicPartition { topic: TopicName::from_static("role_events"), partition: 0 }];
    broker.lose(&group, &claims, Duration::ZERO);
    lives(&health, Duration::from_secs(10)).await;
    assert!(health.is_ready(), "{:?}", health.problems());
    broker.revoke(&group, &claims);
    lives(&health, Duration::from_secs(10)).await;
    assert!(health.is_ready(), "{:?}", health.problems());
    assert_eq!(*going.1.lock().unwrap(), [(true, false), (false, true)]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_new_partition_is_known_in_two_seconds() {
    let (app, broker) = (app("problems::hangs").state(Seen::default()), memory());
    let health = app.health();
    let producer = EventProducer::new(broker.producer().unwrap());
    producer.send(&claim(0)).await.unwrap();
    // Somebody looks before the group is joined.
    let _ = health.is_ready();
    let running = tokio::spawn(app.run_on(broker.clone(), settings(&[]), std::future::pending()));
    let group = GroupName::parse("admin").unwrap();
    let claims = [TopicPartition { topic: TopicName::from_static("role_events"), partition: 0 }];
    lives(&health, Duration::from_secs(3)).await;
    assert_eq!(health.groups()[0].lag(), Some(1));
    // In the middle of the time between two questions.
    broker.lose(&group, &claims, Duration::ZERO);
    lives(&health, Duration::from_secs(2)).await;
    // The second time the handler takes the record.
    assert_eq!(health.groups()[0].lag(), Some(0));
    running.abort();
}

/// As with the new protocol, the members only notice that their partitions are gone.
#[tokio::test(start_paused = true)]
async fn a_redrive_topic_that_is_deleted_is_in_health_and_takes_nothing_away() {
    let (app, broker) = (app("problems::hangs").state(Seen::default()), memory());
    let redrive = TopicName::from_static("role_events_redrive");
    broker.create_topic(&redrive, 1);
    let health = app.health();
    let running = tokio::spawn(app.run_on(broker.clone(), settings(&[]), std::future::pending()));
    lives(&health, Duration::from_secs(20)).await;
    let fetch_fails = || {
        let problems = health.problems().into_iter().filter(|one| one.code() == "fetch_fails");
        problems.map(|one| one.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(fetch_fails(), [""; 0]);
    broker.delete_topic(&redrive);
    lives(&health, Duration::from_secs(40)).await;
    let reported = fetch_fails();
    assert!(
        reported.len() == 1 && reported[0].contains("`role_events_redrive` does not exist"),
        "{reported:?}"
    );
    assert!(health.is_ready(), "{:?}", health.problems());
    broker.create_topic(&redrive, 1);
    lives(&health, Duration::from_secs(40)).await;
    assert_eq!(fetch_fails(), [""; 0]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_does_not_answer_ends_readiness_and_hides_nothing_of_the_other_partitions() {
    let broker = MemoryBroker::new();
    broker.create_topic(&TopicName::from_static("role_events"), 2);
    broker.create_topic(&TopicName::from_static("role_events_dlq"), 1);
    let app = app("problems::hangs").state(Seen::default());
    let health = app.health();
    let running = tokio::spawn(app.run_on(broker.clone(), settings(&[]), std::future::pending()));
    lives(&health, Duration::from_secs(20)).await;
    assert!(health.is_ready(), "{:?}", health.problems());
    let silent = TopicPartition { topic: TopicName::from_static("role_events"), partition: 1 };
    let error = BrokerError::Unreachable {
        address: "kafka-2:9092".to_owned(),
        last_error: "timed out".to_owned(),
    };
    broker.refuse_offsets(&silent, Some(error));
    lives(&health, Duration::from_secs(40)).await;
    let problems = health.problems();
    assert!(!health.is_ready(), "{problems:?}");
    assert!(problems.iter().any(|one| one.to_string().contains("kafka-2:9092")), "{problems:?}");
    broker.refuse_offsets(&silent, None);
    lives(&health, Duration::from_secs(40)).await;
    assert!(health.is_ready(), "{:?}", health.problems());
    running.abort();
}
