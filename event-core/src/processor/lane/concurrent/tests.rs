//! One turn of a lane after the other, as its loop takes them.

use std::time::Duration;

use tokio::task::coop::consume_budget;

use super::*;
use crate::Error;
use crate::broker::Broker;
use crate::broker::memory::MemoryBroker;
use crate::delivery::{Delivery, Epoch, RecordBatch, RecordSource, TopicPartition};
use crate::event::{GroupName, TopicName};
use crate::handler::{DeliveryOptions, HandlerFuture, HandlerRegistration, Order};
use crate::macro_support::{Named, called_handler};
use crate::observe::{Health, Observers};
use crate::outcome::Outcome;
use crate::processor::engine::Engine;
use crate::processor::tracker::Tracker;
use crate::processor::{
    Clock, Concurrency, Control, DeliveryPolicy, EventProcessor, ServiceIdentity, SiblingGroups,
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

/// Takes a third of what tokio lets a task do before it yields.
static BUSY: HandlerRegistration =
    called_handler("busy", Named::Event("lane_events", "IS_BUSY"), &[], busy)
        .at(module_path!(), file!(), line!())
        .options(DeliveryOptions::new().order(Order::None).concurrency(64));

fn busy<'a>(_: &'a Delivery<'a>) -> HandlerFuture<'a> {
    Box::pin(async {
        for _ in 0..50 {
            consume_budget().await;
        }
        Ok(Outcome::Handled)
    })
}

impl Concurrent {
    /// How many attempts at the one record were made.
    fn attempts(&self) -> u32 {
        let mut records = self.scheduler.iter();
        records.next().and_then(|(_, record)| record.job.as_ref()).unwrap().attempt_state.number()
            - 1
    }

    fn receive(&mut self, records: Records) {
        let partition = Arc::new(self.settler.partition.clone());
        let batch = RecordBatch::new(partition, Epoch(1), Box::new(records));
        self.backlog.push_back(Incoming::Records(batch));
    }
}

/// A lane, and what stops it.
fn lane(handler: &'static HandlerRegistration) -> (Concurrent, watch::Sender<bool>) {
    let group = GroupName::parse("lane").unwrap();
    let processor = EventProcessor {
        router: EventRouter::new(&[handler]),
        sibling_groups: SiblingGroups::default(),
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
    let progress = Progress::tracked(Tracker::default());
    (Concurrent::new(settler, Arc::new(progress), Arc::default()), stop)
}

/// So many equal records.
struct Records(&'static str, usize);

impl RecordSource for Records {
    fn len(&self) -> usize {
        self.1
    }

    fn stamp(&self, index: usize) -> (Offset, i64) {
        (Offset(index as i64), 0)
    }

    fn key(&self, _: usize) -> Option<&[u8]> {
        None
    }

    fn value(&self, _: usize) -> Option<&[u8]> {
        Some(self.0.as_bytes())
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
    let (mut lane, _stop) = lane(&FAILING);
    lane.receive(Records(r#"{"eventType": "FAILS"}"#, 1));
    lane.turn();
    assert_eq!(lane.attempts(), 1);
    lane.turn();
    assert_eq!(lane.attempts(), 1, "its delay is not over");
    tokio::time::advance(DELAY * 2).await;
    lane.turn();
    assert_eq!(lane.attempts(), 2);
}

/// It is polled on the lane again in the next turn, when tokio lets it go on. Time is paused: on a busy machine a turn
/// takes so long that the handler counts as one that computes, which is spawned.
#[tokio::test(start_paused = true)]
async fn a_call_that_has_done_its_part_of_a_turn_does_not_count_as_one_that_waits() {
    let (mut lane, _stop) = lane(&BUSY);
    lane.receive(Records(r#"{"eventType": "IS_BUSY"}"#, 64));
    let mut turns = 0;
    while lane.turn() {
        turns += 1;
        yield_now().await;
        lane.take_results();
    }
    let handler = lane.handlers.get(1).unwrap();
    assert!(!handler.is_spawned());
    // Two are done in a turn, and a third is begun.
    assert!((20..=64).contains(&turns), "{turns}");
}
