//! One turn of a lane after the other, as its loop takes them.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::Error;
use crate::broker::Broker;
use crate::broker::memory::MemoryBroker;
use crate::delivery::{Delivery, Epoch, RecordBatch, RecordSource, TopicPartition};
use crate::event::{GroupName, TopicName};
use crate::handler::{DeliveryOptions, HandlerFuture, HandlerRegistration};
use crate::macro_support::{Named, called_handler};
use crate::observe::{Health, Observers};
use crate::outcome::Outcome;
use crate::processor::engine::Engine;
use crate::processor::tracker::Tracker;
use crate::processor::{
    Clock, Concurrency, Control, DeliveryPolicy, EventProcessor, Neighbours, ServiceIdentity,
};
use crate::router::EventRouter;
use crate::state::StateMap;

const TOPIC: TopicName = TopicName::from_static("lane_events");
const DELAY: Duration = Duration::from_secs(10);

static FAILING: HandlerRegistration =
    called_handler("fail", Named::Event("lane_events", "FAILS"), &[], fail)
        .at(module_path!(), file!(), line!())
        .options(DeliveryOptions::new().order(Order::None).concurrency(4));

fn fail<'a>(_: &'a Delivery<'a>) -> HandlerFuture<'a> {
    Box::pin(async { Ok(Outcome::Failed(Error::msg("not now").retry_after(DELAY))) })
}

/// A lane, and what tells it to stop.
fn lane() -> (Concurrent, watch::Sender<bool>) {
    let group = GroupName::parse("lane").unwrap();
    let processor = EventProcessor {
        router: EventRouter::new(&[&FAILING]),
        neighbours: Neighbours::default(),
        state: Arc::new(StateMap::new()),
        policy: DeliveryPolicy::default(),
        identity: ServiceIdentity { name: "lane".into(), version: "1".into(), group },
        producer: MemoryBroker::new().producer().unwrap(),
        observers: Observers::default(),
        health: Health::default(),
        control: Control::default(),
        clock: Clock::of_tokio(),
        concurrency: Concurrency::of(&DeliveryPolicy::default()),
        runtime: tokio::runtime::Handle::current(),
    };
    let engine = Arc::new(Engine::new(processor));
    let source = engine.source(&TOPIC);
    let (stop, stopped) = watch::channel(false);
    let partition = TopicPartition { topic: TOPIC, partition: 0 };
    let settler = Arc::new(Settler::new(engine, partition, source, stopped));
    let progress = Progress::Tracked(Box::new(Mutex::new(Tracker::default())));
    (Concurrent::new(settler, Arc::new(progress)), stop)
}

/// A record that fails.
struct Failing;

impl RecordSource for Failing {
    fn len(&self) -> usize {
        1
    }

    fn stamp(&self, _: usize) -> (Offset, i64) {
        (Offset(0), 0)
    }

    fn key(&self, _: usize) -> Option<&[u8]> {
        None
    }

    fn value(&self, _: usize) -> Option<&[u8]> {
        Some(br#"{"eventType": "FAILS"}"#)
    }

    fn header_count(&self, _: usize) -> usize {
        0
    }

    fn header(&self, _: usize, _: usize) -> (&[u8], Option<&[u8]>) {
        (&[], None)
    }

    fn size_bytes(&self) -> usize {
        0
    }
}

/// Whatever it was that began the turn: calls that end may leave none to a timer.
#[tokio::test(start_paused = true)]
async fn what_is_due_starts_in_every_turn() {
    let (mut lane, _stop) = lane();
    let partition = Arc::new(lane.settler.partition.clone());
    let batch = RecordBatch::new(partition, Epoch(1), Box::new(Failing));
    lane.backlog.push_back(Incoming::Records(batch));
    lane.take_in().await.unwrap();
    lane.start();
    // The call, and what its failure asks for.
    while let Some(returned) = lane.calls.join_next().await {
        lane.returned(returned).unwrap();
    }
    lane.start();
    assert!(lane.calls.is_empty(), "its delay is not over");
    tokio::time::advance(DELAY * 2).await;
    lane.start();
    assert_eq!(lane.calls.len(), 1);
}
