//! Places, lag, seeking, tailing and topics, on the memory broker.

#![expect(clippy::unwrap_used, reason = "a test")]

mod replaying;
#[cfg(feature = "kafka")]
mod without_leader;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event_macros::event_handler;
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::app::{Settings, SettingsOverrides};
use crate::broker::memory::MemoryBroker;
use crate::broker::{Broker, BrokerError, OutgoingRecord, Subscription};
use crate::delivery::{NextOffset, Offset, SettledAbove, Shutdown, TopicPartition};
use crate::event::{GroupName, Headers, TopicName};
use crate::handler::HandlerRegistration;
use crate::observe::Counters;
use crate::processor::DeliveryPolicy;
use crate::registry::Registry;
use crate::router::EventRouter;
use crate::state::StateMap;
use crate::{Error, Json, State};

// The handlers below are of this module.
const MODULE: &str = module_path!();

const ORDERS: TopicName = TopicName::from_static("order_events");

#[derive(Clone, Default)]
struct Seen(Arc<std::sync::Mutex<Vec<(String, u64)>>>);

impl Seen {
    fn note(&self, handler: &str, id: u64) {
        self.0.lock().unwrap().push((handler.to_owned(), id));
    }

    fn ids(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(_, id)| *id).collect()
    }
}

/// Fails for ever.
const UNLUCKY: u64 = 13;

#[event_handler(topic = "order_events", event = "ORDER_PLACED", id = "placed")]
async fn placed(Json(id): Json<u64>, State(seen): State<Seen>) -> crate::Result {
    seen.note("placed", id);
    if id == UNLUCKY { Err(Error::msg("an unlucky number")) } else { Ok(()) }
}

#[event_handler(topic = "order_events", event = *, id = "others")]
async fn others(Json(id): Json<u64>, State(seen): State<Seen>) {
    seen.note("others", id);
}

fn handlers() -> Vec<&'static HandlerRegistration> {
    Registry::linked().only_modules(&[MODULE.to_owned()]).handlers().to_vec()
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

fn partition(partition: i32) -> TopicPartition {
    TopicPartition { topic: ORDERS, partition }
}

fn event(name: &str, data: impl std::fmt::Display) -> String {
    format!(r#"{{"eventType": "{name}", "userId": 42, "data": {data}}}"#)
}

async fn send(broker: &MemoryBroker, partition: i32, timestamp_ms: i64, value: &str) {
    let record = OutgoingRecord {
        topic: ORDERS,
        partition: Some(partition),
        key: Some(Bytes::from_static(b"k")),
        value: (!value.is_empty()).then(|| Bytes::copy_from_slice(value.as_bytes())),
        headers: Headers::new(),
        timestamp_ms: Some(timestamp_ms),
    };
    broker.producer().unwrap().send(record).await.unwrap();
}

/// Two partitions; ten orders in the first, a second apart from the epoch on.
async fn broker() -> MemoryBroker {
    let broker = MemoryBroker::new();
    broker.create_topic(&ORDERS, 2);
    broker.create_topic(&TopicName::from_static("order_events_dlq"), 1);
    for id in 0..10 {
        send(&broker, 0, 1000 * id, &event("ORDER_PLACED", id)).await;
    }
    broker
}

#[tokio::test]
async fn a_place_is_an_offset_of_each_partition() {
    let broker = broker().await;
    let partitions = partitions_of(&broker, &[ORDERS]).await.unwrap();
    assert_eq!(partitions, [partition(0), partition(1)]);
    let time = OffsetSpec::Time("1970-01-01T00:00:04.5Z".parse().unwrap());
    for (place, offsets) in [
        (OffsetSpec::Beginning, [0, 0]),
        (OffsetSpec::End, [10, 0]),
        (OffsetSpec::Offset(3), [3, 3]),
        (time, [5, 0]),
    ] {
        let resolved = resolve(&broker, &partitions, place).await.unwrap();
        assert_eq!(resolved, offsets.map(NextOffset), "{place:?}");
    }
}

#[tokio::test]
async fn lag_counts_to_the_end_and_says_what_is_settled_above() {
    let broker = broker().await;
    let orders = group("orders");
    broker.reset(&orders, &[(partition(0), NextOffset(4))], TIMEOUT).await.unwrap();
    let lags = lag_of(&broker, &groups_of(&handlers(), &orders)).await.unwrap().partitions;
    let shown: Vec<_> =
        lags.iter().map(|lag| (lag.committed, lag.end, lag.lag(), lag.settled_above)).collect();
    assert_eq!(shown, [(Some(NextOffset(4)), NextOffset(10), 6, 0), (None, NextOffset(0), 0, 0)]);
    // A group that never committed begins at the first record.
    let lags = lag_of(&broker, &groups_of(&handlers(), &group("new"))).await.unwrap().partitions;
    assert_eq!(lags.iter().map(PartitionLag::lag).collect::<Vec<_>>(), [10, 0]);
}

#[tokio::test]
async fn a_topic_whose_lag_is_not_known_leaves_those_of_the_others() {
    let broker = broker().await;
    let mut groups = groups_of(&handlers(), &group("orders"));
    let gone = TopicName::from_static("gone_events");
    groups[0].topics.insert(0, gone.clone());
    let Lags { partitions, unknown } = lag_of(&broker, &groups).await.unwrap();
    assert_eq!(partitions.iter().map(PartitionLag::lag).collect::<Vec<_>>(), [10, 0]);
    let error = crate::broker::BrokerError::UnknownTopic(gone.to_string());
    let (group, has_handlers, partition) = (group("orders"), true, None);
    let expected = UnknownLag { group, topic: gone, partition, has_handlers, error };
    assert_eq!(unknown, [expected]);
}

#[tokio::test]
async fn what_is_settled_above_the_committed_offset_is_counted() {
    let broker = broker().await;
    let orders = group("orders");
    let subscription = Subscription {
        group: orders.clone(),
        topics: vec![vec![ORDERS]],
        retry_topics: Vec::new(),
        max_in_flight_bytes: 1 << 20,
        drain_timeout: Duration::from_secs(1),
        group_instance_id: None,
        wants_metadata: false,
        out_of_range: Default::default(),
        by_partition: false,
    };
    let mut consumer = broker.subscribe(subscription).unwrap();
    let crate::broker::ConsumerEvent::Assigned { epoch, .. } =
        crate::broker::Consumer::next(&mut consumer).await
    else {
        panic!("nothing was assigned")
    };
    let mut above = SettledAbove::default();
    above.add(Offset(3), Offset(5), Some(0));
    above.add(Offset(8), Offset(8), Some(0));
    let next = NextOffset(2);
    let metadata = above.encode(next, 4096);
    let progress = crate::broker::Progress { partition: partition(0), epoch, next, metadata };
    crate::broker::Consumer::commit(&mut consumer, &[progress]);
    let lags = lag_of(&broker, &groups_of(&handlers(), &orders)).await.unwrap().partitions;
    assert_eq!((lags[0].lag(), lags[0].settled_above, lags[0].open()), (8, 4, 4));
}

#[tokio::test]
async fn a_reset_moves_a_group_without_members() {
    let broker = broker().await;
    let orders = group("orders");
    let plan = plan_seek(&broker, &orders, &ORDERS, Some(0), OffsetSpec::Offset(7)).await.unwrap();
    let moves = plan.moves;
    assert_eq!(moves, [Move { partition: partition(0), from: None, to: NextOffset(7) }]);
    // A plan changes nothing.
    assert_eq!(broker.committed(&orders, &partition(0)), None);
    seek(&broker, &orders, &moves).await.unwrap();
    assert_eq!(broker.committed(&orders, &partition(0)), Some(NextOffset(7)));
    let plan = plan_seek(&broker, &orders, &ORDERS, None, OffsetSpec::Beginning).await.unwrap();
    let moves = plan.moves;
    assert_eq!(moves[0].from, Some(NextOffset(7)));
    assert_eq!(moves.iter().map(|to| to.to.0).collect::<Vec<_>>(), [0, 0]);
}

#[tokio::test]
async fn a_seek_that_would_go_wrong_is_refused_with_what_to_do() {
    let broker = broker().await;
    let orders = group("orders");
    let plan = async |partition, place| {
        plan_seek(&broker, &orders, &ORDERS, partition, place).await.unwrap_err().to_string()
    };
    assert_eq!(
        plan(Some(2), OffsetSpec::End).await,
        "topic `order_events` has no partition 2\nhelp: it has 2, counted from 0"
    );
    assert_eq!(
        plan(Some(0), OffsetSpec::Offset(11)).await,
        "offset 11 is not in order_events/0\nhelp: the partition holds 0 to 10; `beginning` and `end` are always right"
    );
    let subscription = Subscription {
        group: orders.clone(),
        topics: vec![vec![ORDERS]],
        retry_topics: Vec::new(),
        max_in_flight_bytes: 1,
        drain_timeout: Duration::from_secs(1),
        group_instance_id: None,
        wants_metadata: false,
        out_of_range: Default::default(),
        by_partition: false,
    };
    let _member = broker.subscribe(subscription).unwrap();
    let moves = plan_seek(&broker, &orders, &ORDERS, Some(0), OffsetSpec::End).await.unwrap().moves;
    assert_eq!(
        seek(&broker, &orders, &moves).await.unwrap_err().to_string(),
        "group `orders` has members, which would commit over the reset\nhelp: stop the service, all of its processes, and run the command again; to reprocess records while it runs, use `replay`"
    );
}

async fn tailed(broker: &MemoryBroker, from: OffsetSpec, filter: TailFilter) -> Vec<String> {
    let mut shown = Vec::new();
    let show = |record: Result<&TailedRecord<'_>, &BrokerError>| {
        let record = record.unwrap();
        let what = match &record.event {
            TailedEvent::Event(envelope) => envelope.event_type().to_owned(),
            TailedEvent::Tombstone => "tombstone".to_owned(),
            TailedEvent::Unreadable(error) => error.code().to_owned(),
        };
        shown.push(format!("{}@{} {what}", record.partition.partition, record.record.offset));
        ControlFlow::Continue(())
    };
    tail(broker, &[ORDERS], from, false, &filter, &Shutdown::never(), show).await.unwrap();
    shown
}

#[tokio::test]
async fn a_tail_shows_bad_records_too_and_filters() {
    let broker = broker().await;
    for value in ["{oops", "", &event("ORDER_PAID", 1)] {
        send(&broker, 1, 0, value).await;
    }
    let any = TailFilter::default;
    let bad = ["1@0 malformed_json", "1@1 tombstone", "1@2 ORDER_PAID"];
    let all = tailed(&broker, OffsetSpec::Beginning, any()).await;
    assert_eq!(all.len(), 13);
    assert!(bad.iter().all(|bad| all.iter().any(|shown| shown == bad)), "{all:?}");
    assert_eq!(tailed(&broker, OffsetSpec::End, any()).await, [""; 0]);
    assert_eq!(tailed(&broker, OffsetSpec::Offset(9), any()).await, ["0@9 ORDER_PLACED"]);
    for (filter, count) in [
        (TailFilter { event: Some("ORDER_PAID".into()), ..any() }, 1),
        (TailFilter { event: Some("tombstone".into()), ..any() }, 1),
        (TailFilter { user_id: Some("42".into()), ..any() }, 11),
        (TailFilter { user_id: Some("43".into()), ..any() }, 0),
        (TailFilter { key: Some("k".into()), ..any() }, 13),
        (TailFilter { key: Some("x".into()), ..any() }, 0),
    ] {
        assert_eq!(
            tailed(&broker, OffsetSpec::Beginning, filter.clone()).await.len(),
            count,
            "{filter:?}"
        );
    }
}

#[tokio::test]
async fn a_following_tail_shows_new_records_until_it_is_stopped() {
    let broker = broker().await;
    let (stop, reported) = watch::channel(false);
    let (sent, mut shown) = tokio::sync::mpsc::unbounded_channel();
    let follow = tokio::spawn({
        let broker = broker.clone();
        async move {
            let show = |record: Result<&TailedRecord<'_>, &BrokerError>| {
                let _ = sent.send(record.unwrap().record.offset);
                ControlFlow::Continue(())
            };
            let stop = Shutdown::new(reported);
            tail(
                &broker,
                &[ORDERS],
                OffsetSpec::Offset(9),
                true,
                &TailFilter::default(),
                &stop,
                show,
            )
            .await
        }
    });
    assert_eq!(shown.recv().await, Some(Offset(9)));
    send(&broker, 0, 0, &event("ORDER_PLACED", 10)).await;
    assert_eq!(shown.recv().await, Some(Offset(10)));
    stop.send_replace(true);
    follow.await.unwrap().unwrap();
}

#[tokio::test]
async fn every_topic_that_is_needed_is_known_and_made_once() {
    let broker = MemoryBroker::new();
    broker.create_topic(&ORDERS, 3);
    let (handlers, router) = (handlers(), EventRouter::new(&handlers()));
    let states = topic_states(&broker, needed_topics(&handlers, [&router]).unwrap()).await.unwrap();
    let shown: Vec<_> = states
        .iter()
        .map(|state| {
            (state.needed.topic.as_str(), state.partitions, state.needed.needed_for[0].as_str())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("order_events", Some(3), "handlers"),
            ("order_events_dlq", None, "dead letters of order_events"),
            ("order_events_redrive", None, "redriven dead letters of order_events"),
        ]
    );
    // What is for another topic has as many partitions as that one, whatever is said for new ones.
    let missing = missing_topics(&states, 2, -1);
    let made = create_topics(&broker, &missing).await.unwrap();
    assert!(made.iter().all(|(_, made)| *made == Ok(true)), "{made:?}");
    let states = topic_states(&broker, needed_topics(&handlers, [&router]).unwrap()).await.unwrap();
    let partitions: Vec<_> = states.iter().map(|state| state.partitions).collect();
    assert_eq!(partitions, [Some(3); 3]);
    assert!(missing_topics(&states, 2, -1).is_empty());
    assert!(uneven_topics(&states).is_empty());
}

#[test]
fn a_derived_topic_gets_the_partitions_of_its_origin_also_of_one_that_is_yet_to_be_made() {
    let state = |topic: &'static str, partitions, origins: &[&'static str]| TopicState {
        needed: NeededTopic {
            topic: TopicName::from_static(topic),
            needed_for: Vec::new(),
            origins: origins.iter().map(|origin| TopicName::from_static(origin)).collect(),
        },
        partitions,
        without_leader: Vec::new(),
        unknown: None,
    };
    let mut states = [
        state("a_events", Some(3), &[]),
        state("a_events_redrive", None, &["a_events"]),
        state("b_events", None, &[]),
        state("b_events_redrive", None, &["b_events"]),
        // For two topics, and a dead-letter topic of its own.
        state("lost", None, &["a_events", "b_events"]),
        state("lost_dlq", None, &["lost"]),
        state("sent_events", None, &[]),
    ];
    let planned = |states: &[TopicState], given| {
        let new = missing_topics(states, given, 2).into_iter();
        let new = new.map(|new| (new.topic.to_string(), new.partitions, new.replication));
        new.collect::<Vec<_>>()
    };
    let with = |b: i32, lost: i32, sent: i32| {
        [
            ("a_events_redrive", 3),
            ("b_events", b),
            ("b_events_redrive", b),
            ("lost", lost),
            ("lost_dlq", lost),
            ("sent_events", sent),
        ]
        .map(|(topic, partitions)| (topic.to_owned(), partitions, 2))
    };
    assert_eq!(planned(&states, 6), with(6, 6, 6));
    // Both are left to the broker, which gives both the same.
    assert_eq!(planned(&states, -1), with(-1, 3, -1));
    assert!(uneven_topics(&states).is_empty());
    states[1].partitions = Some(1);
    states[4].partitions = Some(3);
    let reported: Vec<_> = uneven_topics(&states).iter().map(ToString::to_string).collect();
    assert_eq!(reported, ["a_events_redrive has 1 partition, a_events has 3"]);
    // What may not be described is not made, and nothing that needs its number.
    let mut of_b = states.to_vec();
    of_b[2].unknown = Some(crate::broker::BrokerError::Unauthorised("topic `b_events`".to_owned()));
    let made: Vec<_> = planned(&of_b, 6).into_iter().map(|(topic, ..)| topic).collect();
    assert_eq!(made, ["lost_dlq", "sent_events"]);
    // A loop, which start-up refuses, ends all the same.
    let states = [state("c_events", None, &["d_events"]), state("d_events", None, &["c_events"])];
    assert_eq!(missing_topics(&states, 4, -1).iter().map(|new| new.partitions).max(), Some(4));
}

#[test]
fn the_groups_of_a_service_are_its_own_and_those_that_handlers_name() {
    let overrides = SettingsOverrides::default();
    let settings = Settings::load("orders", &overrides, []).unwrap();
    let groups = groups_of(&handlers(), &settings.group);
    let shown: Vec<_> = groups
        .iter()
        .map(|own| (own.group.as_str(), own.handlers.len(), &own.topics[..]))
        .collect();
    assert_eq!(shown, [("orders", 2, &[ORDERS][..])]);
}
