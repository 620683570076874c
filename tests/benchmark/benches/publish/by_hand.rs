//! rdkafka's producer by hand.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

use event_benchmark::cost::Cost;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, producer::Producer};

use crate::event::{Acknowledged, Envelope, RoleGiven, Timer, event};
use crate::{Arguments, TOPIC, Way};

/// Counts what is acknowledged, and wakes who waits for it.
struct Count {
    acknowledged: Arc<Acknowledged>,
    waiting: Thread,
}

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "not acknowledged");
        self.acknowledged.add();
        self.waiting.unpark();
    }
}

/// The settings of the producers by hand: the same promises as event-core's.
pub(crate) fn config(brokers: &str, linger: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", linger);
    config
}

pub(crate) fn send(config: &ClientConfig, arguments: &Arguments) -> Cost {
    let acknowledged = Arc::new(Acknowledged::default());
    let context = Count { acknowledged: Arc::clone(&acknowledged), waiting: thread::current() };
    match arguments.way {
        Way::Awaited | Way::By8 | Way::By64 => {
            let producer = ThreadedProducer::from_config_and_context(config, context).unwrap();
            awaited(&producer, &acknowledged, arguments)
        }
        Way::Pipelined | Way::Stream | Way::SendAll => {
            let producer = BaseProducer::from_config_and_context(config, context).unwrap();
            together(&producer, &acknowledged, arguments)
        }
    }
}

/// A thread polls; this one sends as soon as there is room.
fn awaited(
    producer: &ThreadedProducer<Count>,
    acknowledged: &Acknowledged,
    arguments: &Arguments,
) -> Cost {
    let room = arguments.way.at_once() as u64;
    let wait = |count: u64| {
        while acknowledged.get() < count {
            thread::park();
        }
    };
    let put = |event: &RoleGiven| {
        let (key, value) = written(event);
        producer
            .send(BaseRecord::to(TOPIC).key(&key).payload(&value))
            .map_err(|(error, _)| error)
            .unwrap();
    };
    let first = event(0, arguments.note);
    put(&first);
    wait(1);
    let timer = Timer::start();
    for id in 1..=arguments.events {
        wait(id.saturating_sub(room - 1));
        put(&RoleGiven { id, role_id: id % 1000, note: first.note.clone() });
    }
    wait(arguments.events + 1);
    timer.stop(arguments.events)
}

/// This thread polls as well.
fn together(
    producer: &BaseProducer<Count>,
    acknowledged: &Acknowledged,
    arguments: &Arguments,
) -> Cost {
    let room = arguments.way.at_once() as u64;
    let wait = |count: u64| {
        while acknowledged.get() < count {
            producer.poll(Duration::from_micros(100));
        }
    };
    let put = |event: &RoleGiven| {
        let (key, value) = written(event);
        loop {
            let record = BaseRecord::to(TOPIC).key(&key).payload(&value);
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    producer.poll(Duration::from_millis(1));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    };
    let first = event(0, arguments.note);
    put(&first);
    wait(1);
    let timer = Timer::start();
    for id in 1..=arguments.events {
        match arguments.way {
            Way::SendAll if id % room == 0 => wait(id),
            Way::SendAll => {}
            _ => {
                if id % 100 == 0 {
                    producer.poll(Duration::ZERO);
                }
                wait(id.saturating_sub(room));
            }
        }
        put(&RoleGiven { id, role_id: id % 1000, note: first.note.clone() });
    }
    wait(arguments.events + 1);
    let cost = timer.stop(arguments.events);
    producer.flush(Duration::from_secs(5)).unwrap();
    cost
}

pub(crate) fn written(event: &RoleGiven) -> (String, Vec<u8>) {
    let envelope = Envelope {
        event_type: "ROLE_GIVEN",
        user_id: None,
        data: event,
        event_id: uuid::Uuid::now_v7(),
        occurred_at: jiff::Timestamp::now(),
        version: 1,
    };
    (event.role_id.to_string(), serde_json::to_vec(&envelope).unwrap())
}
