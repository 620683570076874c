//! The contract on the memory broker.

#![allow(clippy::unwrap_used)]

use broker_contract_tests::{TestCluster, contract};
use event_core::broker::memory::MemoryBroker;
use event_core::event::TopicName;

struct Memory(MemoryBroker);

impl TestCluster for Memory {
    type Broker = MemoryBroker;

    fn broker(&self) -> MemoryBroker {
        self.0.clone()
    }

    async fn create_topic(&self, name: &str, partitions: i32) {
        let partitions = u32::try_from(partitions).unwrap();
        self.0.create_topic(&TopicName::foreign(name).unwrap(), partitions);
    }

    fn max_metadata_bytes(&self) -> Option<usize> {
        Some(4096)
    }

    fn has_named_members(&self) -> bool {
        // It has no sessions: a member that is dropped is gone.
        false
    }
}

contract!(Memory(MemoryBroker::new()));
