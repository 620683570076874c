//! The contract on the embedded broker.

#![allow(clippy::unwrap_used)]

use broker_contract_tests::{TestCluster, contract};
use event_core::broker::kafka::{EmbeddedBroker, KafkaBroker, KafkaSettings};

struct Embedded(EmbeddedBroker);

impl TestCluster for Embedded {
    type Broker = KafkaBroker;

    fn broker(&self) -> KafkaBroker {
        self.0.broker()
    }

    async fn create_topic(&self, name: &str, partitions: i32) {
        self.0.create_topic(name, partitions).unwrap();
    }

    fn unreachable(&self) -> Option<(KafkaBroker, String)> {
        let brokers = "127.0.0.1:1".to_owned();
        let settings = KafkaSettings { brokers: brokers.clone(), ..KafkaSettings::default() };
        Some((KafkaBroker::connect(settings).unwrap(), brokers))
    }

    fn too_large_bytes(&self) -> Option<usize> {
        // The mock cluster has no limit, the client has.
        Some(11 << 20)
    }
}

contract!(Embedded(EmbeddedBroker::start().unwrap()));
