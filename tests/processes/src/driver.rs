//! Publishes numbered events per key at a steady rate, and knows what was acknowledged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_core::EventProducer;
use event_core::broker::Broker;
use event_core::producer::SendError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::cluster::Cluster;
use crate::events::{Behaviour, LedgerChanged, PaymentMade};
use crate::journal::now;

/// How many keys each topic has.
pub const KEYS: u64 = 24;

/// An event that the broker acknowledged.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The topic and the key.
    pub key: (String, u64),
    /// The sequence of the key.
    pub sequence: u64,
    /// `topic/partition@offset`.
    pub record: String,
    /// When it was acknowledged.
    pub at: i64,
}

/// What was published.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// What the broker acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// How many were not: they may be on the topic all the same.
    pub failed: usize,
}

/// A load that goes on.
pub struct Load {
    stop: watch::Sender<bool>,
    keys: Vec<JoinHandle<()>>,
    published: Arc<Mutex<Published>>,
}

impl Load {
    /// Publishes `rate` events a second in all, until it is stopped.
    #[must_use]
    pub fn start(cluster: &Cluster, run: u64, rate: u32) -> Load {
        let producer = EventProducer::new(cluster.broker().producer().unwrap());
        let published = Arc::new(Mutex::new(Published::default()));
        let (stop, stopped) = watch::channel(false);
        let period = Duration::from_secs(1) * u32::try_from(2 * KEYS).unwrap() / rate;
        let begin = Instant::now();
        let keys = (0..2 * KEYS).map(|number| {
            let first = begin + period * u32::try_from(number).unwrap() / 48;
            let mut stopped = stopped.clone();
            let (producer, published) = (producer.clone(), Arc::clone(&published));
            tokio::spawn(async move {
                let mut ticks = interval_at(first, period);
                // Ticks that an outage delayed are not made up for.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                for sequence in 0.. {
                    tokio::select! {
                        biased;
                        _ = stopped.wait_for(|stop| *stop) => return,
                        _ = ticks.tick() => {}
                    }
                    let fails = (number * 7 + sequence).is_multiple_of(97);
                    let behaviour = if fails { Behaviour::FailsOnce } else { Behaviour::Done };
                    send(&producer, &published, number, sequence, run, behaviour).await;
                }
            })
        });
        let keys = keys.collect();
        Load { stop, keys, published }
    }

    /// Stops, once everything under way is acknowledged or failed.
    pub async fn stop(self) -> Published {
        self.stop.send_replace(true);
        for key in self.keys {
            key.await.unwrap();
        }
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Publishes one event whose handler never ends; says where it lies.
pub async fn publish_endless(cluster: &Cluster, run: u64) -> String {
    let producer = EventProducer::new(cluster.broker().producer().unwrap());
    let published = Mutex::new(Published::default());
    send(&producer, &published, 0, 0, run, Behaviour::NeverEnds).await;
    published.into_inner().unwrap().acknowledged[0].record.clone()
}

async fn send(
    producer: &EventProducer,
    published: &Mutex<Published>,
    number: u64,
    sequence: u64,
    run: u64,
    behaviour: Behaviour,
) {
    let account = number % KEYS;
    let sent: Result<_, SendError> = if number < KEYS {
        producer.send(&PaymentMade { account, sequence, run, behaviour }).await
    } else {
        producer.send(&LedgerChanged { account, sequence, run, behaviour }).await
    };
    let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
    match sent {
        Ok(acknowledged) => published.acknowledged.push(Acknowledged {
            key: (acknowledged.partition.topic.to_string(), account),
            sequence,
            record: format!("{}@{}", acknowledged.partition, acknowledged.offset),
            at: now(),
        }),
        Err(_) => published.failed += 1,
    }
}
