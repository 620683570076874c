//! Replays, on the memory broker.

use super::*;
use crate::EventApp;

/// The options of a replay.
struct Replay {
    from: OffsetSpec,
    to: OffsetSpec,
    handler: Option<&'static str>,
    rate: Option<&'static str>,
    dead_letters: bool,
    max_in_flight_bytes: usize,
    /// Whether it is asked to stop when so many records were handled.
    ends_after: Option<u64>,
}

const REPLAY: Replay = Replay {
    from: OffsetSpec::Beginning,
    to: OffsetSpec::End,
    handler: None,
    rate: None,
    dead_letters: false,
    max_in_flight_bytes: 1 << 20,
    ends_after: None,
};

struct Ran {
    seen: Seen,
    counters: Arc<Counters>,
    replayed: Replayed,
    ended: crate::Result,
}

async fn replay(broker: &MemoryBroker, replay: Replay) -> Ran {
    let range = ReplayRange::resolve(broker, &ORDERS, None, replay.from, replay.to).await.unwrap();
    replay_range(broker, range, replay).await
}

// The whole service, as `replay` runs it.
async fn replay_range(broker: &MemoryBroker, range: ReplayRange, replay: Replay) -> Ran {
    let (seen, counters, replayed) =
        (Seen::default(), Arc::new(Counters::default()), Replayed::default());
    let broker = ReplayBroker {
        inner: broker.clone(),
        range,
        groups: groups_of(&handlers(), &group("orders_replay_1")),
        handler: replay.handler.map(str::to_owned),
        rate: replay.rate.map(|rate| rate.parse().unwrap()),
        dead_letters: replay.dead_letters,
        replayed: replayed.clone(),
    };
    let max_in_flight_bytes = replay.max_in_flight_bytes.to_string();
    let variables =
        [("EVENT_ATTEMPTS", "2"), ("EVENT_MAX_IN_FLIGHT_BYTES", max_in_flight_bytes.as_str())];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let settings =
        Settings::load("orders_replay_1", &SettingsOverrides::default(), variables).unwrap();
    let app = EventApp::from_env("orders").unwrap().handlers_from(MODULE).state(seen.clone());
    let app = app.observer(Arc::clone(&counters) as _);
    let done = replayed.clone();
    let handled = Arc::clone(&counters);
    let end = async move {
        match replay.ends_after {
            Some(count) => drop(handled.wait_until(|counts| counts.handled >= count).await),
            None => done.done().await,
        }
    };
    let ended = app.run_on(broker, settings, end).await;
    Ran { seen, counters, replayed, ended }
}

#[tokio::test(start_paused = true)]
async fn a_replay_handles_its_range_and_ends() {
    let broker = broker().await;
    let ran = replay(
        &broker,
        Replay { from: OffsetSpec::Offset(3), to: OffsetSpec::Offset(6), ..REPLAY },
    )
    .await;
    ran.ended.unwrap();
    assert_eq!(ran.seen.ids(), [3, 4, 5]);
    assert!(ran.replayed.is_done());
    // An empty one too.
    let ran = replay(&broker, Replay { from: OffsetSpec::End, ..REPLAY }).await;
    ran.ended.unwrap();
    assert!(ran.seen.ids().is_empty());
    // Nobody joined or committed anything.
    for name in ["orders", "orders_replay_1"] {
        assert_eq!(broker.committed(&group(name), &partition(0)), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_for_one_handler_passes_over_what_is_routed_elsewhere() {
    let broker = broker().await;
    for value in [&event("ORDER_PAID", 77), "{oops", ""] {
        send(&broker, 1, 0, value).await;
    }
    let ran = replay(&broker, Replay { handler: Some("others"), ..REPLAY }).await;
    assert_eq!(ran.seen.ids(), [77]);
    assert_eq!((ran.replayed.passed_over(), ran.counters.counts().settled()), (12, 1));
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_a_replay_is_dead_lettered_only_when_asked() {
    let dead_letters = TopicName::from_static("order_events_dlq");
    for asked in [false, true] {
        let broker = broker().await;
        send(&broker, 0, 0, &event("ORDER_PLACED", UNLUCKY)).await;
        let ran =
            replay(&broker, Replay { from: OffsetSpec::Offset(9), dead_letters: asked, ..REPLAY })
                .await;
        ran.ended.unwrap();
        // The retries are real.
        assert_eq!(ran.seen.ids(), [9, UNLUCKY, UNLUCKY]);
        let counts = ran.counters.counts();
        assert_eq!((counts.handled, counts.dead_lettered, counts.retried), (1, 1, 1));
        let written = broker.records(&dead_letters);
        assert_eq!(written.len(), usize::from(asked));
        let groups = written.iter().map(|letter| letter.headers.get_text("dlq.group").unwrap());
        assert!(groups.into_iter().all(|group| group == "orders_replay_1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_goes_at_its_rate_and_holds_no_more_than_it_may() {
    let broker = broker().await;
    let began = Instant::now();
    let ran = replay(&broker, Replay { rate: Some("1/s"), max_in_flight_bytes: 1, ..REPLAY }).await;
    assert_eq!(ran.seen.ids(), (0..10).collect::<Vec<_>>());
    let took = began.elapsed().as_secs();
    assert!((9..12).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_replay_prints_where_to_continue() {
    let broker = broker().await;
    let (topic, from) = (ORDERS, OffsetSpec::Offset(2));
    let range =
        ReplayRange::resolve(&broker, &topic, Some(0), from, OffsetSpec::End).await.unwrap();
    assert_eq!(range.0, [(partition(0), NextOffset(2), NextOffset(10))]);
    let ends_early = Replay { rate: Some("1/s"), ends_after: Some(3), ..REPLAY };
    let ran = replay_range(&broker, range.clone(), ends_early).await;
    assert!(!ran.replayed.is_done());
    let handled = ran.seen.ids().len() as i64;
    let rest = ran.replayed.rest(&range);
    assert_eq!(rest.0, [(partition(0), NextOffset(2 + handled), NextOffset(10))]);
    // From there on nothing is left out, and nothing handled twice.
    let again = replay_range(&broker, rest, REPLAY).await;
    let all: Vec<_> = [ran.seen.ids(), again.seen.ids()].concat();
    assert_eq!(all, (2..10).collect::<Vec<_>>());
    assert!(again.replayed.rest(&range).is_empty());
    let wrong =
        ReplayRange::resolve(&broker, &topic, Some(9), OffsetSpec::Beginning, OffsetSpec::End)
            .await;
    assert!(matches!(wrong, Err(OperationError::NoSuchPartition { partition: 9, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_cannot_read_on_fails() {
    let broker = broker().await;
    let range = ReplayRange(vec![(partition(7), NextOffset(0), NextOffset(5))]);
    let ran = replay_range(&broker, range, REPLAY).await;
    let error = format!("{:?}", ran.ended.unwrap_err());
    assert!(error.contains("topic `order_events` has no partition 7"), "{error}");
    assert!(!ran.replayed.is_done());
}

#[tokio::test]
async fn a_dry_replay_runs_no_handler() {
    let broker = broker().await;
    send(&broker, 0, 0, &event("ORDER_PLACED", "\"ten\"")).await;
    send(&broker, 0, 0, &event("ORDER_PAID", 1)).await;
    let range =
        ReplayRange::resolve(&broker, &ORDERS, None, OffsetSpec::Offset(9), OffsetSpec::End)
            .await
            .unwrap();
    assert_eq!(range.len(), 3);
    let router = EventRouter::new(&handlers());
    let mut state = StateMap::new();
    let seen = Seen::default();
    state.insert(seen.clone());
    let dry_runner = DryRunner::new(router, DeliveryPolicy::default(), state);
    let groups = groups_of(&handlers(), &group("orders"));
    for (handler, expected) in [
        (None, &["@9 Handled placed", "@10 DeadLettered placed", "@11 Handled others"][..]),
        (Some("others"), &["@11 Handled others"]),
    ] {
        let mut reported = Vec::new();
        let report = |_: &TopicPartition, offset: Offset, run: DryRun| {
            reported.push(format!(
                "@{offset} {:?} {}",
                run.outcome,
                run.handler.unwrap_or_default()
            ));
        };
        let stop = Shutdown::never();
        assert!(
            dry_replay(&broker, &range, &dry_runner, &groups, handler, &stop, report)
                .await
                .unwrap()
        );
        assert_eq!(reported, expected);
    }
    assert!(seen.ids().is_empty());
}
