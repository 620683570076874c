use super::*;

fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
    let properties =
        properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    KafkaSettings { brokers: "127.0.0.1:9093".into(), client_id: "admin".into(), properties }
}

fn cause(code: Code, text: &str) -> Option<Cause> {
    Cause::of(code, text, &settings(&[]))
}

// What librdkafka 2.12.1 with OpenSSL 3 says of a Kafka 4.3.1 broker.
const UNTRUSTED: &str = "ssl://127.0.0.1:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that ssl.ca.location is correctly configured or root CA certificates are installed (install ca-certificates package) (after 16ms in state SSL_HANDSHAKE)";
const UNTRUSTED_SHORT: &str = "ssl://127.0.0.1:9093/bootstrap: error:0A000086:SSL routines::certificate verify failed (after 15ms in state SSL_HANDSHAKE)";
const NO_CERTIFICATE: &str = "ssl://127.0.0.1:9093/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42 (after 0ms in state APIVERSION_QUERY)";
const NO_TLS: &str = "ssl://127.0.0.1:9093/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker listener? (after 2ms in state SSL_HANDSHAKE)";
const NO_TLS_SHORT: &str = "ssl://127.0.0.1:9093/bootstrap: Disconnected: SSL connection closed by peer (after 0ms in state SSL_HANDSHAKE)";
const SCRAM: &str = "sasl_ssl://127.0.0.1:9093/bootstrap: SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 322ms in state AUTH_REQ)";
const PLAIN: &str = "sasl_ssl://127.0.0.1:9093/bootstrap: SASL authentication error: Authentication failed: Invalid username or password (after 301ms in state AUTH_REQ)";
const MECHANISM: &str = "sasl_ssl://127.0.0.1:9093/bootstrap: SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512,PLAIN (after 303ms in state AUTH_HANDSHAKE)";
const NO_LOGIN: &str = "sasl_plaintext://127.0.0.1:9093/bootstrap: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Request not valid in current SASL state: broker's supported mechanisms:  (after 1ms in state AUTH_HANDSHAKE)";
const NO_LOGIN_MADE: &str =
    "127.0.0.1:9093/bootstrap: Send failed: Broken pipe (after 0ms in state UP)";
const REFUSED: &str = "127.0.0.1:9093/bootstrap: Connect to ipv4#127.0.0.1:9093 failed: Connection refused (after 0ms in state CONNECT)";
const UNRESOLVED: &str = "kafka.invalid:9092/bootstrap: Failed to resolve 'kafka.invalid:9092': Name or service not known (after 1ms in state CONNECT)";
const FROZEN: &str = "127.0.0.1:9093/1: ApiVersionRequest failed: Local: Timed out: probably due to broker version < 0.10 (see api.version.request configuration) (after 10008ms in state APIVERSION_QUERY)";
const FROZEN_AT_START: &str = "127.0.0.1:9093/bootstrap: Connection setup timed out in state APIVERSION_QUERY (after 4001ms in state APIVERSION_QUERY)";
const BLACK_HOLE: &str = "127.0.0.1:9093/bootstrap: Connection setup timed out in state CONNECT (after 4001ms in state CONNECT)";
const HTTP: &str = "127.0.0.1:9093/bootstrap: Receive failed: Invalid response size 1213486160 (0..100000000): increase receive.message.max.bytes (after 1ms in state APIVERSION_QUERY)";
const SSH: &str = "127.0.0.1:9093/bootstrap: Receive failed: Invalid response size 1397966893 (0..100000000): increase receive.message.max.bytes (after 1ms in state APIVERSION_QUERY)";
const TLS_ALERT: &str = "127.0.0.1:9093/bootstrap: Receive failed: Invalid response size 352518912 (0..100000000): increase receive.message.max.bytes (after 1ms in state APIVERSION_QUERY)";
const LARGE: &str = "127.0.0.1:9093/1: Receive failed: Invalid response size 100000001 (0..100000000): increase receive.message.max.bytes (after 9ms in state UP)";
const FAMILY: &str = "127.0.0.1:9093/bootstrap: Failed to resolve '127.0.0.1:9093': Address family for hostname not supported (after 0ms in state CONNECT)";
const ADVERTISED: &str = "kafka-internal.invalid:29092/1: Failed to resolve 'kafka-internal.invalid:29092': Name or service not known (after 0ms in state CONNECT)";
const ADVERTISED_COORDINATOR: &str = "GroupCoordinator: kafka-internal.invalid:29092: Failed to resolve 'kafka-internal.invalid:29092': Name or service not known (after 6ms in state CONNECT)";

#[test]
fn each_text_of_librdkafka_has_its_cause() {
    for (code, text, expected) in [
        (Code::SSL, UNTRUSTED, Cause::Certificate(None)),
        (Code::BrokerTransportFailure, UNTRUSTED_SHORT, Cause::Certificate(None)),
        (Code::BrokerTransportFailure, NO_CERTIFICATE, Cause::Alert(42)),
        (Code::BrokerTransportFailure, NO_TLS, Cause::NoTls),
        (Code::BrokerTransportFailure, NO_TLS_SHORT, Cause::NoTls),
        (
            Code::Authentication,
            SCRAM,
            Cause::Credentials("Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512".into()),
        ),
        (
            Code::Authentication,
            PLAIN,
            Cause::Credentials("Authentication failed: Invalid username or password".into()),
        ),
        (
            Code::Authentication,
            MECHANISM,
            Cause::Mechanism { supported: "SCRAM-SHA-512, PLAIN".into() },
        ),
        (Code::Authentication, NO_LOGIN, Cause::NoLogin),
        (Code::AllBrokersDown, "1/1 brokers are down", Cause::Closed),
        (Code::BrokerTransportFailure, NO_LOGIN_MADE, Cause::Closed),
        (Code::BrokerTransportFailure, FROZEN, Cause::Silent),
        (Code::BrokerTransportFailure, FROZEN_AT_START, Cause::Silent),
        (Code::BadMessage, HTTP, Cause::NotKafka("HTTP".into())),
        (Code::BrokerTransportFailure, SSH, Cause::NotKafka("SSH-".into())),
        (Code::BadMessage, TLS_ALERT, Cause::SpeaksTls),
    ] {
        assert_eq!(cause(code, text), Some(expected), "{text}");
    }
    for (code, text) in [
        (Code::BrokerTransportFailure, REFUSED),
        (Code::BrokerTransportFailure, BLACK_HOLE),
        (Code::Resolve, UNRESOLVED),
        (Code::BadMessage, LARGE),
        (Code::Resolve, FAMILY),
    ] {
        assert_eq!(cause(code, text), None, "{text}");
    }
}

#[test]
fn an_advertised_address_differs_from_a_configured_one() {
    for text in [ADVERTISED, ADVERTISED_COORDINATOR] {
        let settings = settings(&[]);
        let cause = Cause::of(Code::Resolve, text, &settings);
        let Some(cause @ Cause::Advertised { .. }) = cause else { panic!("{cause:?}") };
        let error = cause.error("?", &settings).to_string();
        for part in [
            "127.0.0.1:9093 answered",
            "kafka-internal.invalid:29092",
            "`advertised.listeners`",
            "Failed to resolve",
        ] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
        let ours = KafkaSettings {
            brokers: "127.0.0.1:9093, kafka-internal.invalid:29092".into(),
            ..settings
        };
        assert_eq!(Cause::of(Code::Resolve, text, &ours), None);
    }
    // A connection that was made and is lost.
    let lost = "broker:9092/1: Receive failed: Connection reset by peer (after 9ms in state UP)";
    assert_eq!(cause(Code::BrokerTransportFailure, lost), Some(Cause::Closed));
}

#[test]
fn each_cause_has_advice_of_its_own() {
    let mutual = &[("security.protocol", "SSL"), ("ssl.certificate.location", "/c.pem")][..];
    let with_ca = &[("security.protocol", "ssl"), ("ssl.ca.location", "/ca.pem")][..];
    let tls = &[("security.protocol", "ssl")][..];
    let login = &[("security.protocol", "sasl_ssl")][..];
    let mut texts = std::collections::BTreeSet::new();
    for (cause, properties, reason, remedy) in [
        (
            Cause::Certificate(Some(20)),
            with_ca,
            "not signed by a CA in `ssl.ca.location`",
            "PEM file",
        ),
        (
            Cause::Certificate(Some(19)),
            tls,
            "a CA that this machine does not know",
            "`ssl.ca.location`",
        ),
        (Cause::Certificate(Some(10)), with_ca, "expired", "renew"),
        (Cause::Certificate(Some(9)), with_ca, "not valid yet", "clock"),
        (
            Cause::Certificate(Some(64)),
            with_ca,
            "for another host than `10.0.0.1`",
            "subjectAltName",
        ),
        (
            Cause::Certificate(Some(26)),
            with_ca,
            "error 26",
            "openssl s_client -connect 10.0.0.1:9093",
        ),
        (Cause::Certificate(None), with_ca, "not accepted", "`ssl.ca.location`"),
        (
            Cause::Alert(42),
            tls,
            "asks for a client certificate, and none is set",
            "`ssl.key.location`",
        ),
        (Cause::Alert(42), mutual, "refused our client certificate", "`ssl.truststore.location`"),
        (Cause::Alert(45), mutual, "expired", "renew the certificate"),
        (Cause::Alert(70), tls, "no TLS version", "`ssl.enabled.protocols`"),
        (Cause::NoTls, tls, "does not speak TLS", "to `plaintext`"),
        (Cause::NoTls, login, "does not speak TLS", "to `sasl_plaintext`"),
        (Cause::Credentials("no".into()), login, "refused the login: no", "`sasl.password`"),
        (
            Cause::Mechanism { supported: "PLAIN".into() },
            login,
            "only PLAIN",
            "set `sasl.mechanism` to one of PLAIN",
        ),
        (Cause::NoLogin, login, "asks for no login", "`ssl`"),
        (Cause::Closed, &[], "without an answer", "it is `plaintext`"),
        (Cause::Silent, &[], "does not answer", "overloaded, paused or hanging"),
        (Cause::NotKafka("HTTP".into()), &[], "not a Kafka listener", "EVENT_BROKERS"),
        (Cause::SpeaksTls, &[], "speaks TLS", "set it to `ssl`"),
        (Cause::Closed, tls, "without an answer", "to `sasl_ssl`, with `sasl.mechanism`"),
    ] {
        let error = cause.error("10.0.0.1:9093", &settings(properties));
        assert!(error.reason().contains(reason), "{reason:?} is not in {error}");
        assert!(
            error.remedy().unwrap_or_default().contains(remedy),
            "{remedy:?} is not in {error}"
        );
        assert!(error.to_string().contains("10.0.0.1:9093"), "{error}");
        assert!(!error.to_string().contains("check that the broker runs"), "{error}");
        assert_eq!(error.is_retriable(), !cause.is_final(), "{error}");
        assert!(texts.insert(error.to_string()), "twice: {error}");
    }
}

#[test]
fn an_address_without_one_of_the_family_that_is_set_names_the_property() {
    let settings = settings(&[("broker.address.family", "v6")]);
    let cause = Cause::of(Code::Resolve, FAMILY, &settings).unwrap();
    let error = cause.error("127.0.0.1:9093", &settings);
    assert!(error.reason().contains("`127.0.0.1:9093` has no address"), "{error}");
    assert!(error.reason().contains("`v6`"), "{error}");
    assert!(error.remedy().unwrap().contains("`broker.address.family`"), "{error}");
}

#[test]
fn endpoint_and_essence_are_cut_out() {
    assert_eq!(endpoint(UNTRUSTED), Some("127.0.0.1:9093"));
    assert_eq!(endpoint(ADVERTISED_COORDINATOR), Some("kafka-internal.invalid:29092"));
    assert_eq!(endpoint("ssl://[::1]:9093/bootstrap: no"), Some("[::1]:9093"));
    assert_eq!(endpoint("1/1 brokers are down"), None);
    assert_eq!(
        essence(PLAIN),
        "SASL authentication error: Authentication failed: Invalid username or password"
    );
    assert_eq!(essence("1/1 brokers are down"), "1/1 brokers are down");
}
