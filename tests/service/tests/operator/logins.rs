//! Logins and TLS that the cluster, or the client, refuses.

use kafka_rig::{ClientProperties, Kafka, Listener};

use crate::service::*;

const SOON: u64 = 15;

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn each_refused_login_names_its_cause_and_ends_with_2() {
    let kafka = Kafka::builder().secured().start();
    make_topics(&kafka);
    let refused = |fault: &str, properties: ClientProperties, words: &[&str]| {
        let after = is_refused(fault, &with_login("ledger", properties), words);
        assert!(after.as_secs() <= SOON, "{fault}: {after:?}");
    };
    let login = |listener, changes: &[(&str, &str)]| {
        let mut properties = kafka.login(listener, "bob");
        for (name, value) in changes {
            match *value {
                "" => drop(properties.remove(*name)),
                value => drop(properties.insert((*name).to_owned(), value.to_owned())),
            }
        }
        properties
    };
    let wrong_ca = kafka.wrong_ca().display().to_string();
    use Listener::{Expired, MutualTls, OtherHost, SaslPlaintext, SaslSsl};
    for (fault, listener, changes, words) in [
        ("wrong password", SaslSsl, &[("sasl.password", "wrong")][..], &["password"][..]),
        ("unknown user", SaslSsl, &[("sasl.username", "nobody")], &["sasl.username"]),
        ("wrong mechanism", SaslSsl, &[("sasl.mechanism", "SCRAM-SHA-256")], &["SCRAM-SHA-512"]),
        (
            "wrong password, without TLS",
            SaslPlaintext,
            &[("sasl.password", "wrong")],
            &["password"],
        ),
        ("wrong CA", SaslSsl, &[("ssl.ca.location", &wrong_ca)], &["CA", "ssl.ca.location"]),
        ("no CA", SaslSsl, &[("ssl.ca.location", "")], &["CA", "ssl.ca.location"]),
        ("certificate of another host", OtherHost, &[], &["host"]),
        ("certificate expired", Expired, &[], &["expired"]),
        (
            "no client certificate",
            MutualTls,
            &[("ssl.certificate.location", ""), ("ssl.key.location", "")],
            &["ssl.certificate.location"],
        ),
        (
            "plaintext on a TLS port",
            SaslSsl,
            &[("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "PLAIN")],
            &["security.protocol"],
        ),
        (
            "`security.protocol` forgotten",
            MutualTls,
            &[("security.protocol", "")],
            &["security.protocol"],
        ),
        (
            "TLS on a port without it",
            SaslPlaintext,
            &[("security.protocol", "sasl_ssl")],
            &["security.protocol"],
        ),
    ] {
        refused(fault, login(listener, changes), words);
    }
    let mut tokens = kafka.token_login("bob");
    tokens.remove("enable.sasl.oauthbearer.unsecure.jwt");
    tokens.remove("sasl.oauthbearer.config");
    refused("OAUTHBEARER without a token", tokens, &["OAUTHBEARER", "token", "sasl.mechanism"]);
}
