//! Starts real Kafka brokers for tests, and does to them what happens to brokers.
//!
//! ```no_run
//! use kafka_rig::Kafka;
//!
//! let kafka = Kafka::builder().nodes(3).start();
//! kafka.create_topic("orders", 6);
//! // .. start clients at `kafka.brokers()` ..
//! let group = kafka.await_group("billing", |group| group.members.len() == 2);
//! println!("{:?}", group.of_topic("orders"));
//! kafka.move_leader("orders", 0, 2);
//! kafka.freeze(2);
//! kafka.thaw(2);
//! kafka.restart(2);
//! ```
//!
//! A [secured](Builder::secured) cluster has a listener for each way in, right and wrong:
//!
//! ```no_run
//! use kafka_rig::{Kafka, Listener, Operation, Resource};
//!
//! let kafka = Kafka::builder().secured().start();
//! kafka.allow("alice", &[Operation::Read, Operation::Describe], Resource::Topic("orders"));
//! let mut properties = kafka.login(Listener::SaslSsl, "alice");
//! properties.insert("sasl.password".to_owned(), "wrong".to_owned());
//! ```
//!
//! A test binary whose tests share a broker takes [`Kafka::shared`]; a test that kills one starts its
//! own. A package with such tests has `build = "../rig/detect.rs"`, and each test says what it needs:
//!
//! ```text
//! #[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
//! #[test]
//! ```
//!
//! Needs Java 17 or newer and, for the first start of a version, Maven and its repository. What it
//! downloads and makes is in the workspace's `target/kafka`, once for each version.
//!
//! | variable | meaning |
//! |---|---|
//! | `KAFKA_VERSION` | the version of Kafka that is started by default |
//! | `KAFKA_TEST_BROKERS` | a Kafka of the user's own for [`Kafka::test_brokers`] |
//! | `KAFKA_RIG_KEEP` | `1` keeps data and logs in `target/kafka/run` |
//! | `KAFKA_RIG_PORTS` | the range of ports, `20000-31999` by default |

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod acl;
mod admin;
mod builder;
mod certificates;
mod cluster;
mod group;
mod install;
mod java;
mod node;
mod ports;
mod properties;
mod requests;
mod secured;
mod start_error;
mod watchdog;
mod wire;

pub use acl::{Operation, Resource};
pub use builder::Builder;
pub use cluster::Kafka;
pub use group::{GroupDescription, GroupMember, GroupProtocol};
pub use secured::{ClientProperties, Listener, SUPER_USER, USERS};
pub use start_error::StartError;
