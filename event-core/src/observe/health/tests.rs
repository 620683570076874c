use std::sync::LazyLock;

use tokio::time::advance;

use super::*;
use crate::broker::Heartbeat;
use crate::delivery::{Epoch, Offset};
use crate::event::TopicName;
use crate::observe::{InFlightAttempt, Observation, Observer};

mod commits;
mod membership;
mod partition;
mod resets;

const EPOCH: Epoch = Epoch(1);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// The health of a service with one group, which gets observations from the tests.
struct Service {
    health: Health,
    group: Arc<GroupHealth>,
}

fn claims() -> TopicPartition {
    TopicPartition { topic: TopicName::from_static("role_events"), partition: 0 }
}

fn commit_sent(next: i64) -> Observation<'static> {
    static CLAIMS: LazyLock<TopicPartition> = LazyLock::new(claims);
    Observation::CommitSent { partition: &CLAIMS, epoch: EPOCH, next: NextOffset(next) }
}

impl Service {
    fn new() -> Self {
        Service::with(HealthRules {
            liveness_after: FIVE_MINUTES,
            commit_interval: Duration::from_secs(1),
            handlers: [(claims().topic, ["bill".to_owned()].into())].into(),
            ..HealthRules::default()
        })
    }

    fn with(rules: HealthRules) -> Self {
        let health = Health::default();
        let group = health.watch(&GroupName::parse("billing").unwrap(), rules);
        Service { health, group }
    }

    /// One that has the partition of the claims, with a record that waits and is there.
    fn stuck() -> Self {
        Service::new().joined().with_lag(1)
    }

    fn joined(self) -> Self {
        self.emit(&Observation::Assigned { partitions: &[claims()], epoch: EPOCH });
        self.group.note_committed(&claims(), Some(NextOffset(7)));
        self
    }

    fn with_lag(self, lag: i64) -> Self {
        self.ends_at(7 + lag);
        self
    }

    fn ends_at(&self, end: i64) {
        self.health.answered(Ok(&[(claims(), NextOffset(0), NextOffset(end))]));
    }

    fn emit(&self, observation: &Observation<'_>) {
        self.group.observe(observation);
    }

    fn blocked(&self, group: &str) -> BlockedWrite {
        let error = BrokerError::Other("no such topic".to_owned());
        let group = GroupName::parse(group).unwrap();
        self.health.block(&group, &claims(), "role_events_dlq", &error)
    }

    /// Lets time go by and the records be looked for, as the service does.
    async fn wait(&self, time: Duration, record_is_there: bool) {
        advance(time).await;
        for suspect in self.group.suspects() {
            self.group.note_looked(&suspect, record_is_there);
        }
    }

    fn codes(&self) -> Vec<&'static str> {
        self.health.problems().iter().map(HealthProblem::code).collect()
    }

    fn says(&self) -> (bool, bool, Vec<&'static str>) {
        (self.health.is_live(), self.health.is_ready(), self.codes())
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_wait_while_nothing_is_settled_end_liveness() {
    let service = Service::stuck();
    service.wait(FIVE_MINUTES - Duration::from_secs(1), true).await;
    assert_eq!(service.says(), (true, true, vec![]));
    service.wait(Duration::from_secs(2), true).await;
    assert_eq!(service.says(), (false, false, vec!["stalled"]));
    let words = service.health.problems()[0].to_string();
    assert_eq!(
        words,
        "group `billing` has settled no record for 301s, and records wait in role_events/0"
    );
    service.emit(&commit_sent(8));
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_idle_service_is_live_and_its_next_record_has_the_whole_time() {
    let service = Service::stuck().with_lag(0);
    service.wait(FIVE_MINUTES * 100, true).await;
    assert_eq!(service.says(), (true, true, vec![]));
    service.ends_at(8);
    service.wait(Duration::from_secs(200), true).await;
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_offset_without_a_record_is_not_taken_for_one_that_waits() {
    let service = Service::stuck();
    service.wait(FIVE_MINUTES * 2, false).await;
    assert_eq!(service.says(), (true, true, vec![]));
    // A record comes behind it.
    service.ends_at(9);
    service.wait(Duration::ZERO, true).await;
    assert_eq!(service.codes(), ["stalled"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_settled_out_of_order_counts() {
    let service = Service::stuck();
    service.wait(FIVE_MINUTES - Duration::from_secs(10), true).await;
    let group = GroupName::parse("billing").unwrap();
    service.health.settled_counter(&group).fetch_add(1, Ordering::Relaxed);
    service.health.sample();
    service.wait(Duration::from_secs(20), true).await;
    assert!(service.health.is_live());
    assert_eq!(service.health.groups()[0].last_settled, Some(Duration::from_secs(20)));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_repeated_is_no_sign_of_life() {
    let service = Service::stuck();
    let reported = commit_sent(7);
    for _ in 0..7 {
        service.wait(Duration::from_secs(60), true).await;
        service.emit(&reported);
    }
    assert_eq!(service.codes(), ["stalled"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_tried_again_is_waited_for_until_its_next_attempt() {
    let service = Service::stuck();
    let hour = Duration::from_secs(3600);
    service.emit(&Observation::Retrying {
        partition: &claims(),
        offset: Offset(7),
        handler: "bill",
        attempt: 1,
        delay: hour,
        error: "the bank is closed",
    });
    service.wait(hour, true).await;
    assert!(service.health.is_live());
    service.wait(FIVE_MINUTES, true).await;
    assert!(!service.health.is_live());
}

#[tokio::test(start_paused = true)]
async fn a_paused_handler_or_open_breaker_is_no_stall() {
    for (away, back) in [
        (Observation::Paused { handler: "bill" }, Observation::Resumed { handler: "bill" }),
        (
            Observation::BreakerOpened { handler: "bill", pause: FIVE_MINUTES, error: "no" },
            Observation::BreakerClosed { handler: "bill" },
        ),
    ] {
        let service = Service::stuck();
        service.emit(&away);
        service.wait(FIVE_MINUTES * 100, true).await;
        assert!(service.health.is_live(), "{away:?}");
        service.emit(&back);
        service.wait(FIVE_MINUTES - Duration::from_secs(1), true).await;
        assert!(service.health.is_live(), "{back:?}");
        service.wait(Duration::from_secs(1), true).await;
        assert!(!service.health.is_live(), "{back:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_written_ends_readiness_and_not_liveness() {
    let service = Service::stuck();
    let blocked = service.blocked("billing");
    service.wait(FIVE_MINUTES * 2, true).await;
    assert_eq!(service.says(), (true, false, vec!["dead_letter_blocked"]));
    drop(blocked);
    assert_eq!(service.codes(), ["stalled"]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_free_when_no_write_of_it_is_blocked() {
    let service = Service::new().joined().with_lag(0);
    let mut writes = vec![service.blocked("billing"), service.blocked("billing")];
    writes.pop();
    assert_eq!(service.codes(), ["dead_letter_blocked"]);
    writes.pop();
    assert!(service.health.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_group_neither_clears_nor_explains_another() {
    let service = Service::stuck();
    let (ours, others) = (service.blocked("billing"), service.blocked("audit"));
    assert_eq!(service.codes(), ["dead_letter_blocked", "dead_letter_blocked"]);
    drop(ours);
    let groups: Vec<_> =
        service.health.problems().iter().filter_map(|one| one.group().cloned()).collect();
    assert_eq!(groups, [GroupName::parse("audit").unwrap()]);
    service.wait(FIVE_MINUTES * 2, true).await;
    assert_eq!(service.codes(), ["stalled", "dead_letter_blocked"]);
    drop(others);

    let service = Service::new().joined().with_lag(0);
    let group = |name| GroupName::parse(name).unwrap();
    service.health.breaker_opened(&group("billing"), "bill", "no");
    service.health.breaker_opened(&group("audit"), "bill", "no");
    service.health.breaker_closed(&group("billing"), "bill");
    assert_eq!(service.says(), (true, true, vec!["breaker_open"]));
}

#[tokio::test(start_paused = true)]
async fn a_record_too_long_in_flight_ends_readiness_although_others_go_on() {
    let service = Service::new().joined().with_lag(0);
    let group = GroupName::parse("billing").unwrap();
    let look = |found: Vec<InFlightAttempt>| {
        service.health.look_in_flight(&group, |limit| {
            assert_eq!(limit, Duration::from_secs(30));
            found
        });
    };
    let in_flight_for = |since| InFlightAttempt {
        handler: Some("bill".to_owned()),
        is_blocking: false,
        partition: claims(),
        offset: Offset(7),
        on_its_way_to: None,
        since,
    };
    look(vec![in_flight_for(Duration::from_secs(31))]);
    assert_eq!(service.says(), (true, true, vec!["handler_slow"]));
    let words = service.health.problems()[0].to_string();
    assert!(words.starts_with("`bill` has had role_events/0@7 for 31s"), "{words}");
    look(vec![in_flight_for(FIVE_MINUTES)]);
    service.emit(&commit_sent(8));
    assert_eq!(service.says(), (true, false, vec!["in_flight_long"]));
    let words = service.health.problems()[0].to_string();
    assert!(words.starts_with("`bill` has had role_events/0@7 in flight for 300s"), "{words}");
    look(Vec::new());
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn records_in_a_retry_topic_wait_for_their_time() {
    let retries = TopicName::from_static("role_events_retry_1h");
    let partition = TopicPartition { topic: retries.clone(), partition: 0 };
    let service = Service::with(HealthRules {
        liveness_after: FIVE_MINUTES,
        retry_topics: [retries].into(),
        ..HealthRules::default()
    });
    service.emit(&Observation::Assigned {
        partitions: std::slice::from_ref(&partition),
        epoch: EPOCH,
    });
    service.group.note_committed(&partition, None);
    service.health.answered(Ok(&[(partition, NextOffset(0), NextOffset(3))]));
    service.wait(FIVE_MINUTES * 2, true).await;
    assert_eq!(service.health.groups()[0].lag(), Some(3));
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_commits_rarely_has_two_commits_time() {
    let hour = Duration::from_secs(3600);
    let service = Service::with(HealthRules {
        liveness_after: FIVE_MINUTES,
        commit_interval: hour,
        ..HealthRules::default()
    });
    let service = service.joined().with_lag(1);
    service.wait(hour * 2, true).await;
    assert!(service.health.is_live());
    service.wait(Duration::from_secs(31), true).await;
    assert!(!service.health.is_live());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_ends_readiness() {
    let service = Service::new().joined().with_lag(0);
    let error = BrokerError::Other("no route to host".to_owned());
    service.health.answered(Err(&error));
    assert_eq!(service.says(), (true, false, vec!["broker_unavailable"]));
    service.ends_at(7);
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_blocking_handler_is_reported_while_it_blocks() {
    let service = Service::new().joined().with_lag(0);
    let claims = claims();
    let blocked = |since| Observation::Blocked {
        partition: &claims,
        offset: Offset(7),
        handler: "bill",
        since,
    };
    service.emit(&blocked(Duration::from_secs(1)));
    advance(Duration::from_secs(1)).await;
    service.emit(&blocked(Duration::from_secs(2)));
    advance(Duration::from_secs(2)).await;
    assert_eq!(service.says(), (true, true, vec!["handler_blocks"]));
    advance(Duration::from_secs(2)).await;
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_silent_poll_thread_ends_liveness() {
    let service = Service::new().joined().with_lag(0);
    let heartbeat = Arc::new(Heartbeat::begun_before(Duration::from_secs(60)));
    heartbeat.note_member(true);
    service.group.set_heartbeats(vec![Arc::clone(&heartbeat)]);
    assert_eq!(service.says(), (false, false, vec!["poll_thread_silent"]));
    // It waits for the records in flight of a revocation.
    heartbeat.hold(Duration::from_secs(20));
    assert_eq!(service.says(), (true, true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn lag_is_known_once_the_broker_answered_for_every_partition() {
    let service = Service::new();
    service.emit(&Observation::Assigned { partitions: &[claims()], epoch: EPOCH });
    assert_eq!(service.health.groups()[0].lag(), None);
    service.ends_at(12);
    assert_eq!(service.health.groups()[0].lag(), None);
    service.group.note_committed(&claims(), Some(NextOffset(7)));
    assert_eq!(service.health.groups()[0].lag(), Some(5));
    service.emit(&commit_sent(9));
    // An older answer says nothing new.
    service.group.note_committed(&claims(), Some(NextOffset(7)));
    assert_eq!(service.health.groups()[0].lag(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn the_broker_is_asked_only_while_somebody_looks() {
    let service = Service::new();
    assert!(!service.health.is_looked_at());
    let _ = service.health.is_live();
    assert!(service.health.is_looked_at());
    advance(Duration::from_secs(121)).await;
    assert!(!service.health.is_looked_at());
}

#[test]
fn every_problem_is_in_the_table() {
    let source = include_str!("mod.rs");
    for code in [
        "dead_letter_blocked",
        "breaker_open",
        "poll_thread_silent",
        "stalled",
        "partition_stalled",
        "not_assigned",
        "commits_fail",
        "broker_unavailable",
        "handler_blocks",
        "handler_slow",
        "in_flight_long",
        "shutting_down",
    ] {
        let row = source.lines().find(|line| line.starts_with(&format!("/// | `{code}` |")));
        assert!(row.is_some(), "`{code}` has no row");
        assert!(include_str!("problem.rs").contains(&format!("\"{code}\"")), "{code}");
    }
}
