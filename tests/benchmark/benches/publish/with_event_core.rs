//! The producer of a service.

use event_benchmark::cost::Cost;
use event_core::EventProducer;
use event_core::broker::Broker;
use event_core::broker::kafka::{KafkaBroker, KafkaSettings};
use futures_util::StreamExt;
use futures_util::stream;

use crate::event::{RoleGiven, Timer, event};
use crate::{Arguments, Way};

pub(crate) fn send(brokers: &str, arguments: &Arguments) -> Cost {
    let settings = KafkaSettings {
        brokers: brokers.to_owned(),
        client_id: "bench".into(),
        properties: Vec::new(),
    };
    let producer = KafkaBroker::connect(settings).unwrap().producer().unwrap();
    let producer = EventProducer::new(producer);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(all(&producer, arguments))
}

async fn all(producer: &EventProducer, arguments: &Arguments) -> Cost {
    let first = event(0, arguments.note);
    producer.send(&first).await.unwrap();
    let make = |id| RoleGiven { id, role_id: id % 1000, note: first.note.clone() };
    let timer = Timer::start();
    let ids = 1..=arguments.events;
    match arguments.way {
        Way::Awaited => {
            for id in ids {
                producer.send(&make(id)).await.unwrap();
            }
        }
        Way::Pipelined => {
            let mut pipeline = producer.pipeline(arguments.way.at_once().try_into().unwrap());
            for id in ids {
                pipeline.send(&make(id)).await.unwrap();
            }
            pipeline.finish().await.unwrap();
        }
        Way::By8 | Way::By64 | Way::Stream => {
            let sends = stream::iter(ids).map(async |id| producer.send(&make(id)).await.unwrap());
            sends.buffer_unordered(arguments.way.at_once()).for_each(async |_| {}).await;
        }
        Way::SendAll => {
            let mut ids = ids.peekable();
            while ids.peek().is_some() {
                let events: Vec<RoleGiven> =
                    ids.by_ref().take(arguments.way.at_once()).map(make).collect();
                producer.send_all(&events).await.unwrap();
            }
        }
    }
    timer.stop(arguments.events)
}
