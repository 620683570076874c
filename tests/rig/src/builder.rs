use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::Kafka;
use crate::install::{FAST_START, Install, copy_formatted};
use crate::java::kafka_version;
use crate::node::{Launch, Node};
use crate::ports::free_ports;
use crate::properties::{self, Listener, Listeners};
use crate::secured::{self, LISTENER_COUNT};
use crate::start_error::{Context, StartError};
use crate::watchdog::Watchdog;

/// What cluster to start: [`Kafka::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    nodes: usize,
    version: String,
    jvm: Vec<String>,
    properties: Vec<(String, String)>,
    advertised: Option<String>,
    secured: bool,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder {
            nodes: 1,
            version: kafka_version(),
            jvm: FAST_START.iter().map(|option| (*option).to_owned()).collect(),
            properties: Vec::new(),
            advertised: None,
            secured: false,
        }
    }

    /// How many nodes, each broker and controller; 1 by default. Replication is by all of them, and
    /// a write needs the half of them, rounded up, in sync.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Builder {
        self.nodes = nodes;
        self
    }

    /// The version of Kafka, `4.3.1` by default or as `KAFKA_VERSION` says. 3.9.2 and 4.4.0 are known
    /// to work; 3.9 has no `group.protocol=consumer`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Builder {
        self.version = version.into();
        self
    }

    /// A property of `server.properties`; it counts before the rig's own.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl ToString) -> Builder {
        self.properties.push((name.into(), value.to_string()));
        self
    }

    /// After how long without a heartbeat a member with `group.protocol=consumer` is dead; 6 s by
    /// default, 45 s in production. Members with the classic protocol say so themselves.
    #[must_use]
    pub fn group_session(self, session: Duration) -> Builder {
        self.property("group.consumer.session.timeout.ms", session.as_millis())
    }

    /// How often a member with `group.protocol=consumer` sends a heartbeat; 500 ms by default, 5 s in
    /// production. It is the clock of a rebalance.
    #[must_use]
    pub fn group_heartbeat(self, heartbeat: Duration) -> Builder {
        self.property("group.consumer.heartbeat.interval.ms", heartbeat.as_millis())
    }

    /// After how long without a heartbeat a broker is dead, which is the time of a failover and of a
    /// restart after SIGKILL; 3 s by default, 9 s in production.
    #[must_use]
    pub fn broker_session(self, session: Duration) -> Builder {
        self.property("broker.session.timeout.ms", session.as_millis())
    }

    /// The options of Java, in place of those that start fast. A broker that is measured is better
    /// off with `["-XX:+UseG1GC", "-Xmx1g"]`.
    #[must_use]
    pub fn jvm(mut self, options: &[&str]) -> Builder {
        self.jvm = options.iter().map(|option| (*option).to_owned()).collect();
        self
    }

    /// Adds a listener that sends its clients to another address, as a broker with a wrong
    /// `advertised.listeners` does: `advertise("kafka.invalid:9092")`. Clients use
    /// [`Kafka::misadvertised`].
    #[must_use]
    pub fn advertise(mut self, address: impl Into<String>) -> Builder {
        self.advertised = Some(address.into());
        self
    }

    /// Opens a listener for each [`Listener`](crate::Listener) with TLS and logins, and lets users do
    /// only what they are [allowed](Kafka::allow) to. [`Kafka::brokers`] stays open without a login,
    /// for the test itself. A start takes a second longer.
    #[must_use]
    pub fn secured(mut self) -> Builder {
        self.secured = true;
        self
    }

    /// Starts the cluster and waits until it serves and has the topic behind consumer groups.
    ///
    /// # Panics
    ///
    /// With the reason of [`try_start`](Builder::try_start).
    #[must_use]
    pub fn start(self) -> Kafka {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts the cluster and waits until it serves and has the topic behind consumer groups.
    ///
    /// # Errors
    ///
    /// Java or Maven is missing or fails, or a node does not start: with the end of its log.
    pub fn try_start(self) -> Result<Kafka, StartError> {
        let install = Install::of(&self.version)?;
        let root = Install::root().join("run");
        std::fs::create_dir_all(&root).context("cannot create", &root)?;
        let mut folder = tempfile::Builder::new();
        folder.disable_cleanup(keeps_data());
        let folder = folder.prefix("cluster").tempdir_in(&root).context("cannot use", &root)?;
        let doomed = (!keeps_data()).then(|| folder.path());
        let watchdog = Watchdog::start(doomed).context("cannot start a shell for", &root)?;

        let listeners = self.listeners()?;
        let mut certificates = None;
        let mut properties = Vec::new();
        if self.secured {
            let (made, client_properties) = secured::prepare(&folder.path().join("certificates"))?;
            certificates = Some(made);
            properties = client_properties;
        }
        properties.extend(self.properties);
        let mut nodes = Vec::new();
        let mut formatted: Option<PathBuf> = None;
        for (index, own) in listeners.iter().enumerate() {
            let of_node = folder.path().join(format!("node{}", own.node));
            let data = of_node.join("data");
            let text = properties::server(&listeners, index, &data, &properties);
            let settings = of_node.join("server.properties");
            std::fs::create_dir_all(&of_node).context("cannot create", &of_node)?;
            std::fs::write(&settings, text).context("cannot write", &settings)?;
            match formatted.as_deref() {
                _ if !self.secured => install.prepare_data(&data, own.node)?,
                Some(formatted) => copy_formatted(formatted, &data, own.node)?,
                None => {
                    install.format(&settings, &secured::scram_users())?;
                    formatted = Some(data);
                }
            }
            let jvm: Vec<&str> = self.jvm.iter().map(String::as_str).collect();
            let command = install.broker(&jvm, &settings);
            nodes.push(Node::new(Launch { command, log: of_node.join("log") }));
        }
        let kafka = Kafka::new(listeners, nodes, watchdog, certificates, folder);
        kafka.try_up()?;
        Ok(kafka)
    }

    fn listeners(&self) -> Result<Vec<Listeners>, StartError> {
        let mut ports = free_ports(self.nodes * (3 + LISTENER_COUNT))?.into_iter();
        let of_node = |node| {
            let mut port = || ports.next().unwrap_or_default();
            let mut listeners = Listeners::plaintext(node, port(), port());
            let port = port();
            listeners.clients.extend(self.advertised.clone().map(|advertised| Listener {
                name: "MISADVERTISED",
                protocol: "PLAINTEXT",
                port,
                advertised: Some(advertised),
            }));
            if self.secured {
                listeners.clients.extend(secured::listeners(|| ports.next().unwrap_or_default()));
            }
            listeners
        };
        Ok((1..=self.nodes).map(of_node).collect())
    }
}

/// `KAFKA_RIG_KEEP=1`: logs and data are there to be read after a test.
fn keeps_data() -> bool {
    std::env::var("KAFKA_RIG_KEEP").is_ok_and(|keep| keep == "1")
}
