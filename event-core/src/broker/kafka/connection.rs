//! Why a broker could be reached but not used: TLS, the login, the address that it names.
//!
//! librdkafka gives all failures of TLS one code, and some that of a lost connection, so the cause is
//! in the text of its error callback alone. [`Cause::of`] is the one place that reads it; the texts
//! are those of librdkafka 2.12.1 with OpenSSL 3, and each has a test. OpenSSL's code for a certificate comes from
//! its verify callback. What a person can do about an error's code is in `broker::kafka::remedies`.

use rdkafka::types::RDKafkaErrorCode as Code;
use secrecy::ExposeSecret;

use super::KafkaSettings;
use crate::broker::BrokerError;

/// What went wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// We do not accept the broker's certificate: OpenSSL's code for it, once it is known.
    Certificate(Option<i32>),
    /// The broker ended TLS with this alert
    /// ([RFC 8446](https://www.rfc-editor.org/rfc/rfc8446#section-6)).
    Alert(u8),
    /// The listener does not speak TLS.
    NoTls,
    /// The broker knows no such user, or the password is wrong. It does not say which.
    Credentials(String),
    /// The listener takes other mechanisms only.
    Mechanism {
        /// Those that it takes.
        supported: String,
    },
    /// The listener asks for no login.
    NoLogin,
    /// Another failure of the login or of TLS.
    Other(String),
    /// The broker takes connections and closes them before it answers.
    Closed,
    /// The broker takes connections and does not answer in time.
    Silent,
    /// The listener answers with another protocol: the first bytes of the answer.
    NotKafka(String),
    /// The listener answers with TLS where none was asked for.
    SpeaksTls,
    /// The host has no address of the family that is set.
    AddressFamily {
        /// What was looked up.
        host: String,
        /// `broker.address.family`.
        family: String,
    },
    /// A broker of the cluster is not reached under the address that the cluster names.
    Advertised {
        /// The address.
        endpoint: String,
        /// What failed.
        reason: String,
    },
}

impl Cause {
    /// The cause in what the error callback said.
    pub(super) fn of(code: Code, text: &str, settings: &KafkaSettings) -> Option<Cause> {
        let essence = essence(text);
        let is_handshake = text.contains("in state SSL_HANDSHAKE");
        match code {
            Code::SSL | Code::BrokerTransportFailure
                if text.contains("certificate verify failed") =>
            {
                Some(Cause::Certificate(None))
            }
            Code::SSL | Code::BrokerTransportFailure if alert(text).is_some() => {
                alert(text).map(Cause::Alert)
            }
            Code::BrokerTransportFailure if is_handshake && essence.contains("Disconnected") => {
                Some(Cause::NoTls)
            }
            Code::SSL if text.contains("wrong version number") => Some(Cause::NoTls),
            Code::SSL => Some(Cause::Other(essence.to_owned())),
            Code::Authentication | Code::SaslAuthenticationFailed => Some(of_login(essence)),
            Code::UnsupportedSASLMechanism | Code::IllegalSASLState => Some(of_login(essence)),
            _ if text.contains("Invalid response size ") => of_size(text),
            Code::BrokerTransportFailure if is_connected(text) && is_timeout(text) => {
                Some(Cause::Silent)
            }
            Code::BrokerTransportFailure if is_connected(text) => Some(Cause::Closed),
            Code::Resolve if of_family(text, settings).is_some() => of_family(text, settings),
            Code::Resolve | Code::BrokerTransportFailure => of_address(text, essence, settings),
            // Alone: a broker that is not there says so before.
            Code::AllBrokersDown => Some(Cause::Closed),
            _ => None,
        }
    }

    /// Whether every new connection fails in the same way until a setting is changed, so that there is
    /// no use in waiting.
    pub(super) fn is_final(&self) -> bool {
        !matches!(
            self,
            Cause::Closed
                | Cause::Silent
                | Cause::NotKafka(_)
                | Cause::SpeaksTls
                | Cause::NoTls
                | Cause::AddressFamily { .. }
                | Cause::Advertised { .. }
        )
    }

    /// The error for people.
    pub(super) fn error(&self, endpoint: &str, settings: &KafkaSettings) -> BrokerError {
        let (reason, remedy) = self.words(endpoint, settings);
        if self.is_final() {
            BrokerError::Authentication { address: settings.brokers.clone(), reason, remedy }
        } else {
            BrokerError::Fixable { reason, remedy }
        }
    }

    fn words(&self, endpoint: &str, settings: &KafkaSettings) -> (String, String) {
        let protocol = settings.security_protocol();
        match self {
            Cause::Certificate(code) => of_certificate(*code, endpoint, settings),
            Cause::Alert(alert) => of_alert(*alert, endpoint, settings),
            Cause::NoTls => (
                format!("the listener at {endpoint} does not speak TLS"),
                format!(
                    "`security.protocol` is `{protocol}`: take the port of a TLS listener in `brokers` (EVENT_BROKERS), or set `security.protocol` to `{}`",
                    if protocol == "sasl_ssl" { "sasl_plaintext" } else { "plaintext" }
                ),
            ),
            Cause::Credentials(reason) => (
                format!("the broker at {endpoint} refused the login: {reason}"),
                "check `sasl.username` and `sasl.password`, and that the user has a password for this `sasl.mechanism`; the broker does not say which of them is wrong"
                    .to_owned(),
            ),
            Cause::Mechanism { supported } => (
                format!(
                    "the listener at {endpoint} does not take the `sasl.mechanism` that is set, only {supported}"
                ),
                format!("set `sasl.mechanism` to one of {supported}"),
            ),
            Cause::NoLogin => (
                format!("the listener at {endpoint} asks for no login"),
                format!(
                    "`security.protocol` is `{protocol}`: set it to `{}` and leave `sasl.*` out, or take the port of a listener with SASL in `brokers` (EVENT_BROKERS)",
                    if protocol == "sasl_ssl" { "ssl" } else { "plaintext" }
                ),
            ),
            Cause::Other(reason) => (
                format!("the login at {endpoint} failed: {reason}"),
                "check `security.protocol`, `sasl.*` and `ssl.*` under `[kafka]`".to_owned(),
            ),
            Cause::Closed => (
                format!("the broker at {endpoint} takes connections and closes them without an answer"),
                match &*protocol {
                    "plaintext" => "its listener may ask for TLS or a login: set `security.protocol` (`ssl`, `sasl_ssl` or `sasl_plaintext`); it is `plaintext`",
                    "ssl" => "its listener may ask for a login: set `security.protocol` to `sasl_ssl`, with `sasl.mechanism`, `sasl.username` and `sasl.password`; it is `ssl`",
                    "sasl_plaintext" => "its listener may ask for TLS: set `security.protocol` to `sasl_ssl`; it is `sasl_plaintext`",
                    _ => "check that the address in `brokers` (EVENT_BROKERS) is that of a Kafka listener, and that a proxy in front of it has a broker behind it",
                }
                .to_owned(),
            ),
            Cause::Silent => (
                format!("the broker at {endpoint} takes connections and does not answer"),
                "check whether it is overloaded, paused or hanging, and that a proxy in front of it has a broker behind it".to_owned(),
            ),
            Cause::NotKafka(answer) => (
                format!("{endpoint} is not a Kafka listener: its answer begins with {answer:?}"),
                "take the port of a Kafka listener in `brokers` (EVENT_BROKERS)".to_owned(),
            ),
            Cause::SpeaksTls => (
                format!("the listener at {endpoint} speaks TLS"),
                format!(
                    "`security.protocol` is `{protocol}`: set it to `{}`, or take the port of a listener without TLS in `brokers` (EVENT_BROKERS)",
                    if protocol.starts_with("sasl") { "sasl_ssl" } else { "ssl" }
                ),
            ),
            Cause::AddressFamily { host, family } => (
                format!("`{host}` has no address of the family that is set, `{family}`"),
                "set `broker.address.family` under `[kafka]` to `any`, or leave it out; or take an address of that family in `brokers` (EVENT_BROKERS)".to_owned(),
            ),
            Cause::Advertised { endpoint: advertised, reason } => (
                format!(
                    "{} answered, but {advertised}, which it names as the address of a broker, is not reached: {reason}",
                    settings.brokers
                ),
                format!(
                    "set `advertised.listeners` on the broker to an address that this machine can reach, or make {advertised} reachable from here (DNS, network, firewall, or the broker does not run)"
                ),
            ),
        }
    }
}

/// From the reason of a login.
fn of_login(essence: &str) -> Cause {
    if let Some((_, supported)) =
        essence.split_once("Unsupported SASL mechanism: broker's supported mechanisms: ")
    {
        return Cause::Mechanism { supported: supported.trim().replace(',', ", ") };
    }
    if essence.contains("Request not valid in current SASL state") {
        return Cause::NoLogin;
    }
    match essence.strip_prefix("SASL authentication error: ") {
        Some(reason) => Cause::Credentials(reason.to_owned()),
        None => Cause::Other(essence.to_owned()),
    }
}

/// From the length that an answer begins with, which is none where the listener speaks something else.
fn of_size(text: &str) -> Option<Cause> {
    let (_, rest) = text.split_once("Invalid response size ")?;
    let size: i32 = rest.split(' ').next()?.parse().ok()?;
    match size.to_be_bytes() {
        // An alert or a handshake of any version of TLS.
        [0x15 | 0x16, 3, ..] => Some(Cause::SpeaksTls),
        bytes if bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n')) => {
            Some(Cause::NotKafka(String::from_utf8_lossy(&bytes).into_owned()))
        }
        _ => None,
    }
}

/// A host without an address of the family that `broker.address.family` names.
fn of_family(text: &str, settings: &KafkaSettings) -> Option<Cause> {
    let set = settings.property("broker.address.family")?.expose_secret();
    let family = ["v4", "v6"].into_iter().find(|family| set.eq_ignore_ascii_case(family))?;
    let (_, rest) = text.split_once("Failed to resolve '")?;
    let (host, said) = rest.split_once("': ")?;
    let is_of_family = said.starts_with("Address family for hostname not supported")
        || said.starts_with("No address associated with hostname");
    is_of_family.then(|| Cause::AddressFamily { host: host.to_owned(), family: family.to_owned() })
}

/// Whether nothing came in time.
pub(super) fn is_timeout(text: &str) -> bool {
    text.contains("timed out") || text.contains("Timed out")
}

/// Whether the connection was made before it failed.
fn is_connected(text: &str) -> bool {
    let state = text.rsplit_once(" in state ");
    state.is_some_and(|(_, state)| !state.starts_with("CONNECT") && !state.starts_with("INIT"))
}

/// A broker that is not one of those that were named to us.
fn of_address(text: &str, essence: &str, settings: &KafkaSettings) -> Option<Cause> {
    if text.contains("/bootstrap") {
        return None;
    }
    let endpoint = endpoint(text)?;
    let is_ours = settings.brokers.split(',').any(|address| address.trim() == endpoint);
    (!is_ours)
        .then(|| Cause::Advertised { endpoint: endpoint.to_owned(), reason: essence.to_owned() })
}

fn of_certificate(code: Option<i32>, endpoint: &str, settings: &KafkaSettings) -> (String, String) {
    let of = format!("the certificate of the broker at {endpoint}");
    let has_ca =
        ["ssl.ca.location", "ssl.ca.pem", "ssl.ca.certificate.stores", "ssl.truststore.location"]
            .iter()
            .any(|name| settings.property(name).is_some());
    let (host, _) = endpoint.rsplit_once(':').unwrap_or((endpoint, ""));
    match code {
        // No chain to a CA that is trusted: 2, 18 to 21.
        Some(2 | 18..=21) if has_ca => (
            format!("{of} is not signed by a CA in `ssl.ca.location`"),
            "set `ssl.ca.location` to the PEM file of the CA that signed it".to_owned(),
        ),
        Some(2 | 18..=21) => (
            format!("{of} is signed by a CA that this machine does not know"),
            "set `ssl.ca.location` to the PEM file of that CA".to_owned(),
        ),
        Some(9) => (format!("{of} is not valid yet"), "check the clock of this machine and of the broker".to_owned()),
        Some(10) => (
            format!("{of} has expired, or that of its CA"),
            "let whoever runs the broker renew it; when it is valid, check the clock of this machine".to_owned(),
        ),
        Some(62 | 64) => (
            format!("{of} is for another host than `{host}`"),
            format!(
                "write in `brokers` (EVENT_BROKERS) a name that the certificate has, or have one made with `{host}` among its subjectAltName; `ssl.endpoint.identification.algorithm` = `none` does without the check"
            ),
        ),
        Some(other) => (
            format!("{of} is not accepted (OpenSSL's verify error {other})"),
            format!("check it with `openssl s_client -connect {endpoint} -CAfile ..`"),
        ),
        None => (
            format!("{of} is not accepted"),
            format!(
                "check that `ssl.ca.location` has its CA, that it is for `{host}` and has not expired: `openssl s_client -connect {endpoint} -CAfile ..`"
            ),
        ),
    }
}

fn of_alert(alert: u8, endpoint: &str, settings: &KafkaSettings) -> (String, String) {
    let has_certificate =
        ["ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location"]
            .iter()
            .any(|name| settings.property(name).is_some());
    match alert {
        // bad_certificate, unknown_ca, access_denied, certificate_required: what Java sends without one.
        42 | 48 | 49 | 116 if !has_certificate => (
            format!("the broker at {endpoint} asks for a client certificate, and none is set"),
            "set `ssl.certificate.location` and `ssl.key.location` (PEM), or `ssl.keystore.location`".to_owned(),
        ),
        45 => (
            format!("the broker at {endpoint} refused our client certificate: it has expired"),
            "renew the certificate in `ssl.certificate.location`".to_owned(),
        ),
        42..=44 | 46 | 48 | 49 | 116 => (
            format!("the broker at {endpoint} refused our client certificate (TLS alert {alert})"),
            "set `ssl.certificate.location` to a certificate that is signed by a CA which the broker trusts (`ssl.truststore.location` there)".to_owned(),
        ),
        40 | 70 | 71 | 86 => (
            format!("the broker at {endpoint} and this client have no TLS version or cipher in common (TLS alert {alert})"),
            "compare `ssl.enabled.protocols` and `ssl.cipher.suites` of the broker with `ssl.cipher.suites` here".to_owned(),
        ),
        other => (
            format!("the broker at {endpoint} ended TLS with alert {other}"),
            "see the log of the broker".to_owned(),
        ),
    }
}

/// The number in OpenSSL's `SSL alert number N`.
fn alert(text: &str) -> Option<u8> {
    let (_, rest) = text.split_once("SSL alert number ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// `host:port` in the name of the broker, which stands first: `sasl_ssl://host:port/bootstrap: ..`, `host:port/1: ..` or
/// `GroupCoordinator: host:port: ..`.
pub(super) fn endpoint(text: &str) -> Option<&str> {
    let text = text.strip_prefix("GroupCoordinator: ").unwrap_or(text);
    let (name, _) = text.split_once(": ")?;
    let name = name.rsplit_once("://").map_or(name, |(_, name)| name);
    let name = name.split_once('/').map_or(name, |(name, _)| name);
    let (_, port) = name.rsplit_once(':')?;
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

/// The text without the broker's name before it and the time and state behind it.
pub(super) fn essence(text: &str) -> &str {
    let text = text.strip_prefix("GroupCoordinator: ").unwrap_or(text);
    let text = match text.split_once(": ") {
        Some((_, rest)) if endpoint(text).is_some() => rest,
        _ => text,
    };
    match text.rsplit_once(" (after ") {
        Some((text, _)) => text,
        None => text,
    }
}

#[cfg(test)]
mod tests;
