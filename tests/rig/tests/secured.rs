//! A secured cluster lets in who may come in, and nobody else. What needs TLS needs the feature
//! `tls`: `cargo test -p kafka-rig --features tls`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use kafka_rig::{ClientProperties, Kafka, Listener, Operation, Resource};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message};

const TIMEOUT: Duration = Duration::from_secs(60);

fn kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(|| {
        let kafka = Kafka::builder().secured().start();
        kafka.create_topic("orders", 1);
        kafka
    })
}

/// Prints the first error of librdkafka.
struct Errors(Sender<RDKafkaErrorCode>);

impl ClientContext for Errors {
    fn error(&self, error: KafkaError, _reason: &str) {
        let _ = self.0.send(error.rdkafka_error_code().unwrap());
    }
}

impl ConsumerContext for Errors {}

/// For so long a connection that broke may be recreated, and its cause be reported: a busy broker closes some.
const BROKEN: Duration = Duration::from_secs(5);

/// Whether a client gets the metadata with these properties, or the first error it hears.
fn connect(properties: &ClientProperties) -> Result<(), RDKafkaErrorCode> {
    let (sender, errors) = channel();
    let config: ClientConfig =
        properties.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let client: BaseConsumer<Errors> = config.create_with_context(Errors(sender)).unwrap();
    let begin = Instant::now();
    let mut broken: Option<Instant> = None;
    while begin.elapsed() < TIMEOUT && broken.is_none_or(|at| at.elapsed() < BROKEN) {
        if client.fetch_metadata(Some("orders"), Duration::from_millis(500)).is_ok() {
            return Ok(());
        }
        // Errors arrive by it.
        let _ = client.poll(Duration::ZERO);
        // One that is said of all brokers says less than the one before or behind it.
        for code in errors.try_iter().filter(|code| *code != RDKafkaErrorCode::AllBrokersDown) {
            if code != RDKafkaErrorCode::BrokerTransportFailure {
                return Err(code);
            }
            broken.get_or_insert_with(Instant::now);
        }
    }
    assert!(broken.is_some(), "neither metadata nor an error");
    Err(RDKafkaErrorCode::BrokerTransportFailure)
}

#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_wrong_password_is_refused_and_the_right_one_accepted() {
    let mut properties = kafka().login(Listener::SaslPlaintext, "bob");
    assert_eq!(connect(&properties), Ok(()));
    properties.insert("sasl.password".to_owned(), "wrong".to_owned());
    assert_eq!(connect(&properties), Err(RDKafkaErrorCode::Authentication));
}

#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn what_is_not_allowed_is_refused_until_it_is() {
    let kafka = kafka();
    let read = || {
        let config: ClientConfig =
            kafka.login(Listener::SaslPlaintext, "alice").into_iter().collect();
        let member: BaseConsumer = config
            .clone()
            .set("group.id", "billing")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        member.subscribe(&["orders"]).unwrap();
        let begin = Instant::now();
        while begin.elapsed() < TIMEOUT {
            match member.poll(Duration::from_millis(100)) {
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Ok(record)) => panic!("a record of {}", record.topic()),
                Some(Err(error)) => return Err(error.rdkafka_error_code().unwrap()),
                None => {}
            }
        }
        panic!("neither a record nor an error");
    };
    kafka.allow("alice", &[Operation::Read, Operation::Describe], Resource::TopicPrefix("ord"));
    assert_eq!(read(), Err(RDKafkaErrorCode::GroupAuthorizationFailed));
    kafka.allow("alice", &[Operation::Read], Resource::Group("billing"));
    assert_eq!(read(), Ok(()));
    kafka.deny("alice", &[Operation::Read], Resource::Topic("orders"));
    assert_eq!(read(), Err(RDKafkaErrorCode::TopicAuthorizationFailed));
    kafka.forget_acls("alice", Resource::Topic("orders"));
    assert_eq!(read(), Ok(()));
}

#[cfg(feature = "tls")]
mod tls {
    use super::{connect, kafka};
    use kafka_rig::{Listener, Operation, Resource};
    use rdkafka::error::RDKafkaErrorCode::{Authentication, SSL};

    #[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
    #[test]
    fn scram_plain_token_and_certificate_come_in() {
        let kafka = kafka();
        let mut scram = kafka.login(Listener::SaslSsl, "bob");
        assert_eq!(connect(&scram), Ok(()));
        scram.insert("sasl.password".to_owned(), "wrong".to_owned());
        assert_eq!(connect(&scram), Err(Authentication));

        let mut plain = kafka.login(Listener::SaslSsl, "bob");
        plain.insert("sasl.mechanism".to_owned(), "PLAIN".to_owned());
        assert_eq!(connect(&plain), Ok(()));

        assert_eq!(connect(&kafka.token_login("bob")), Ok(()));
        assert_eq!(connect(&kafka.login(Listener::MutualTls, "bob")), Ok(()));
    }

    #[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
    #[test]
    fn wrong_certificates_are_refused() {
        let kafka = kafka();
        for listener in [Listener::OtherHost, Listener::Expired] {
            assert_eq!(connect(&kafka.login(listener, "bob")), Err(SSL), "{listener:?}");
        }
        // What is wrong with them is what it says.
        let mut other_host = kafka.login(Listener::OtherHost, "bob");
        let set = ("ssl.endpoint.identification.algorithm".to_owned(), "none".to_owned());
        other_host.extend([set]);
        assert_eq!(connect(&other_host), Ok(()));
        let mut expired = kafka.login(Listener::Expired, "bob");
        let set = ("enable.ssl.certificate.verification".to_owned(), "false".to_owned());
        expired.extend([set]);
        assert_eq!(connect(&expired), Ok(()));

        let mut wrong_ca = kafka.login(Listener::SaslSsl, "bob");
        let path = kafka.wrong_ca().display().to_string();
        wrong_ca.insert("ssl.ca.location".to_owned(), path);
        assert_eq!(connect(&wrong_ca), Err(SSL));

        let mut none = kafka.login(Listener::MutualTls, "bob");
        none.remove("ssl.certificate.location");
        none.remove("ssl.key.location");
        assert!(connect(&none).is_err());
    }

    /// The user is the one that the certificate names.
    #[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
    #[test]
    fn a_certificate_names_its_user() {
        let kafka = kafka();
        kafka.create_topic("certified", 1);
        let sees = || {
            let config: rdkafka::ClientConfig =
                kafka.login(Listener::MutualTls, "bob").into_iter().collect();
            let client: rdkafka::consumer::BaseConsumer = config.create().unwrap();
            let metadata = rdkafka::consumer::Consumer::fetch_metadata(
                &client,
                Some("certified"),
                super::TIMEOUT,
            );
            metadata.unwrap().topics()[0].error().is_none()
        };
        assert!(!sees());
        kafka.allow("bob", &[Operation::Describe], Resource::Topic("certified"));
        assert!(sees());
    }
}
