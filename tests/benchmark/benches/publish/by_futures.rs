//! rdkafka's `FutureProducer` by hand: what a service that is not blocked would use.

use std::time::Duration;

use event_benchmark::cost::Cost;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::AsyncRuntime;
use tokio::time::Sleep;

use crate::by_hand::written;
use crate::event::{RoleGiven, Timer, event};
use crate::{Arguments, TOPIC, Way};

/// rdkafka knows Tokio by a feature that nothing else here needs.
struct Tokio;

impl AsyncRuntime for Tokio {
    type Delay = Sleep;

    fn spawn<T: Future<Output = ()> + Send + 'static>(task: T) {
        tokio::spawn(task);
    }

    fn delay_for(duration: Duration) -> Sleep {
        tokio::time::sleep(duration)
    }
}

type Futures = FutureProducer<DefaultClientContext, Tokio>;

pub(crate) fn send(config: &ClientConfig, arguments: &Arguments) -> Cost {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(all(&config.create().unwrap(), arguments))
}

async fn all(producer: &Futures, arguments: &Arguments) -> Cost {
    let first = event(0, arguments.note);
    let note = first.note.clone();
    let put = async |event: RoleGiven| {
        let (key, value) = written(&event);
        let record = FutureRecord::to(TOPIC).key(&key).payload(&value);
        producer.send_result(record).map_err(|(error, _)| error).unwrap().await.unwrap().unwrap();
    };
    put(first).await;
    let make = |id| RoleGiven { id, role_id: id % 1000, note: note.clone() };
    let timer = Timer::start();
    let ids = 1..=arguments.events;
    match arguments.way {
        Way::Awaited => {
            for id in ids {
                put(make(id)).await;
            }
        }
        Way::By8 | Way::By64 | Way::Pipelined | Way::Stream => {
            let sends = stream::iter(ids).map(async |id| put(make(id)).await);
            sends.buffer_unordered(arguments.way.at_once()).for_each(async |()| {}).await;
        }
        Way::SendAll => {
            let mut ids = ids.peekable();
            while ids.peek().is_some() {
                let sends = ids.by_ref().take(arguments.way.at_once()).map(make).map(put);
                join_all(sends).await;
            }
        }
    }
    timer.stop(arguments.events)
}
