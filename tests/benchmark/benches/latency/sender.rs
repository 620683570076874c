//! Sends records at a steady rate.

use std::ops::RangeInclusive;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::TOPIC;

pub(crate) struct Sender(ThreadedProducer<DefaultProducerContext>);

impl Sender {
    pub(crate) fn new(brokers: &str, rate: u64) -> Self {
        let mut config = ClientConfig::new();
        // A request for each of many records is more than a small machine's broker can take.
        let linger = if rate > 2_000 { "1" } else { "0" };
        config.set("bootstrap.servers", brokers).set("acks", "all").set("linger.ms", linger);
        Sender(config.create().unwrap())
    }

    /// Sends records that are not measured until every reader has read one.
    pub(crate) fn warm_up(&self, mut are_ready: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !are_ready() {
            assert!(Instant::now() < until, "not every reader has read a record");
            // Each partition, so that no reader waits for another one.
            (0..3).for_each(|partition| self.put(0, partition));
            sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn send(&self, numbers: RangeInclusive<u64>, rate: u64) {
        let began = Instant::now();
        for number in numbers {
            let due = began + Duration::from_nanos(number * 1_000_000_000 / rate);
            // A sleep is too long by some 60 us.
            if let Some(rest) = due.checked_duration_since(Instant::now()) {
                sleep(rest);
            }
            self.put(number, number % 3);
        }
        self.0.flush(Duration::from_secs(30)).unwrap();
    }

    fn put(&self, number: u64, partition: u64) {
        let at = now();
        let value = format!(r#"{{"eventType":"SENT","data":{{"number":{number},"at":{at}}}}}"#);
        let record = BaseRecord::<(), str>::to(TOPIC).payload(&value);
        let partition = i32::try_from(partition).unwrap();
        self.0.send(record.partition(partition)).map_err(|(error, _)| error).unwrap();
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}
