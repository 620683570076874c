//! A cluster with logins, TLS and access control, and what its clients have to set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::certificates::Certificates;
use crate::cluster::Kafka;
use crate::properties::Listener as Spec;
use crate::start_error::StartError;

/// The settings of a client, as librdkafka names them.
pub type ClientProperties = BTreeMap<String, String>;

/// Who may do everything.
pub const SUPER_USER: &str = "admin";
/// Who can log in: with its own name and `-secret` behind it as the password.
pub const USERS: [&str; 3] = [SUPER_USER, "alice", "bob"];

/// A way into a [secured](crate::Builder::secured) cluster; every one is open at once, beside
/// [`Kafka::brokers`] without a login for the test itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listener {
    /// TLS and a login: SCRAM-SHA-512, PLAIN or OAUTHBEARER with unsecured tokens.
    SaslSsl,
    /// A login without TLS. librdkafka without OpenSSL speaks PLAIN here, and no SCRAM.
    SaslPlaintext,
    /// TLS with a certificate of the client's own, which names the user.
    MutualTls,
    /// As [`SaslSsl`](Listener::SaslSsl), with a certificate for the host `elsewhere.example`.
    OtherHost,
    /// As [`SaslSsl`](Listener::SaslSsl), with a certificate that has expired.
    Expired,
}

impl Listener {
    /// Each of them.
    pub const ALL: [Listener; 5] = [
        Listener::SaslSsl,
        Listener::SaslPlaintext,
        Listener::MutualTls,
        Listener::OtherHost,
        Listener::Expired,
    ];

    fn name(self) -> &'static str {
        match self {
            Listener::SaslSsl => "SASL_SSL",
            Listener::SaslPlaintext => "SASL_PLAINTEXT",
            Listener::MutualTls => "MUTUAL_TLS",
            Listener::OtherHost => "OTHER_HOST",
            Listener::Expired => "EXPIRED",
        }
    }

    /// What `security.protocol` is for it.
    #[must_use]
    pub fn protocol(self) -> &'static str {
        match self {
            Listener::SaslPlaintext => "SASL_PLAINTEXT",
            Listener::MutualTls => "SSL",
            Listener::SaslSsl | Listener::OtherHost | Listener::Expired => "SASL_SSL",
        }
    }

    fn certificate(self) -> Option<&'static str> {
        match self {
            Listener::SaslPlaintext => None,
            Listener::SaslSsl | Listener::MutualTls => Some("server"),
            Listener::OtherHost => Some("other-host"),
            Listener::Expired => Some("expired"),
        }
    }
}

/// The listeners of one node.
pub(crate) fn listeners(mut port: impl FnMut() -> u16) -> Vec<Spec> {
    let spec = |one: Listener, port| Spec {
        name: one.name(),
        protocol: one.protocol(),
        port,
        advertised: None,
    };
    Listener::ALL.into_iter().map(|one| spec(one, port())).collect()
}

pub(crate) const LISTENER_COUNT: usize = Listener::ALL.len();

fn password(user: &str) -> String {
    format!("{user}-secret")
}

/// The arguments of the formatter: the users of SCRAM are in the data.
pub(crate) fn scram_users() -> Vec<String> {
    let user = |user| {
        let password = password(user);
        ["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={user},password={password}]")]
    };
    USERS.into_iter().flat_map(user).collect()
}

/// The certificates, and the properties of each broker.
pub(crate) fn prepare(folder: &Path) -> Result<(Certificates, Vec<(String, String)>), StartError> {
    const JAAS: &str = "org.apache.kafka.common.security";
    let certificates = Certificates::make(folder, &USERS)?;
    let users = USERS.map(|user| format!("user_{user}=\"{}\"", password(user))).join(" ");
    let mut properties: Vec<(String, String)> = [
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        // The brokers among themselves, and the test, come without a login.
        ("super.users", "User:admin;User:ANONYMOUS"),
        ("allow.everyone.if.no.acl.found", "false"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512,PLAIN,OAUTHBEARER"),
        ("ssl.principal.mapping.rules", "RULE:^CN=([^,]*).*$/$1/"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for listener in Listener::ALL {
        let name = listener.name().to_lowercase();
        let mut set = |key: &str, value: String| {
            properties.push((format!("listener.name.{name}.{key}"), value));
        };
        if let Some(certificate) = listener.certificate() {
            set("ssl.keystore.type", "PEM".to_owned());
            set("ssl.keystore.location", certificates.path(certificate).display().to_string());
            set("ssl.truststore.type", "PEM".to_owned());
            set("ssl.truststore.location", certificates.path("ca").display().to_string());
        }
        if listener == Listener::MutualTls {
            set("ssl.client.auth", "required".to_owned());
            continue;
        }
        set("plain.sasl.jaas.config", format!("{JAAS}.plain.PlainLoginModule required {users};"));
        let scram = format!("{JAAS}.scram.ScramLoginModule required;");
        set("scram-sha-512.sasl.jaas.config", scram);
        let bearer = format!(
            "{JAAS}.oauthbearer.OAuthBearerLoginModule required \
             unsecuredLoginStringClaim_sub=\"admin\";"
        );
        set("oauthbearer.sasl.jaas.config", bearer);
    }
    Ok((certificates, properties))
}

/// How a user of a [secured](crate::Builder::secured) cluster comes in.
impl Kafka {
    /// The addresses of one listener for `bootstrap.servers`.
    #[must_use]
    pub fn secured_brokers(&self, listener: Listener) -> String {
        self.brokers_of(listener.name())
    }

    /// What a client sets to come in as `user`, one of [`USERS`]: `bootstrap.servers`,
    /// `security.protocol`, and its password, CA or certificate. By SCRAM-SHA-512 with TLS, by PLAIN
    /// without. A test that is to fail changes or removes one of them.
    #[must_use]
    pub fn login(&self, listener: Listener, user: &str) -> ClientProperties {
        let mut properties = ClientProperties::new();
        let mut set = |name: &str, value: String| drop(properties.insert(name.to_owned(), value));
        set("bootstrap.servers", self.secured_brokers(listener));
        set("security.protocol", listener.protocol().to_owned());
        if listener == Listener::SaslPlaintext {
            set("sasl.mechanism", "PLAIN".to_owned());
        } else {
            set("ssl.ca.location", self.ca().display().to_string());
        }
        if listener == Listener::MutualTls {
            let (certificate, key) = self.client_certificate(user);
            set("ssl.certificate.location", certificate.display().to_string());
            set("ssl.key.location", key.display().to_string());
            return properties;
        }
        if listener != Listener::SaslPlaintext {
            set("sasl.mechanism", "SCRAM-SHA-512".to_owned());
        }
        set("sasl.username", user.to_owned());
        set("sasl.password", password(user));
        properties
    }

    /// What a client sets to come in as `user`, of any name, by an unsecured token.
    #[must_use]
    pub fn token_login(&self, user: &str) -> ClientProperties {
        let mut properties = self.login(Listener::SaslSsl, user);
        properties.remove("sasl.username");
        properties.remove("sasl.password");
        let mut set =
            |name: &str, value: &str| properties.insert(name.to_owned(), value.to_owned());
        set("sasl.mechanism", "OAUTHBEARER");
        set("enable.sasl.oauthbearer.unsecure.jwt", "true");
        set("sasl.oauthbearer.config", &format!("principal={user}"));
        properties
    }

    /// The certificate of the authority that the brokers' certificates are from.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.certificates().path("ca")
    }

    /// The certificate of an authority that has nothing to do with the cluster.
    #[must_use]
    pub fn wrong_ca(&self) -> PathBuf {
        self.certificates().path("wrong-ca")
    }

    /// The certificate of one of [`USERS`], and its key.
    #[must_use]
    pub fn client_certificate(&self, user: &str) -> (PathBuf, PathBuf) {
        (self.certificates().path(user), self.certificates().key(user))
    }
}
