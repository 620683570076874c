//! The Kafka that is measured with, and its topics.

use std::time::{Duration, Instant};

use kafka_rig::Kafka;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

/// A Kafka of the user's own, or one that is started and ends with this.
pub struct Brokers {
    address: String,
    _started: Option<Kafka>,
}

impl Brokers {
    pub fn new(own: Option<String>) -> Brokers {
        match own {
            Some(address) => Brokers { address, _started: None },
            None => {
                let started = Kafka::start();
                Brokers { address: started.brokers(), _started: Some(started) }
            }
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Has these groups begin anew, when those that were in them have left.
pub fn forget_groups(brokers: &str, groups: &[&str]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let within = Instant::now() + Duration::from_secs(60);
    loop {
        let deleted = runtime.block_on(admin.delete_groups(groups, &AdminOptions::new())).unwrap();
        let is_left = |(_, code): &(String, RDKafkaErrorCode)| {
            !matches!(code, RDKafkaErrorCode::GroupIdNotFound)
        };
        match deleted.into_iter().filter_map(Result::err).find(is_left) {
            None => return,
            Some(_) if Instant::now() < within => std::thread::sleep(Duration::from_millis(100)),
            Some((name, code)) => panic!("group {name} cannot be deleted: {code}"),
        }
    }
}

/// Makes these topics anew.
pub fn make_topics(brokers: &str, topics: &[(&str, i32)]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let names: Vec<&str> = topics.iter().map(|(name, _)| *name).collect();
    // Those of another run may be there.
    runtime.block_on(admin.delete_topics(&names, &options)).unwrap();
    let topics: Vec<_> = topics
        .iter()
        .map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1)))
        .collect();
    let within = Instant::now() + Duration::from_secs(60);
    loop {
        let made = runtime.block_on(admin.create_topics(&topics, &options)).unwrap();
        // A topic is gone a while after it was deleted.
        match made.into_iter().find_map(Result::err) {
            None => return,
            Some((_, RDKafkaErrorCode::TopicAlreadyExists)) if Instant::now() < within => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Some((name, code)) => panic!("{name} cannot be created: {code}"),
        }
    }
}
