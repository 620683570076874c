use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::builder::Builder;
use crate::certificates::Certificates;
use crate::node::{Node, STEP};
use crate::properties::Listeners;
use crate::requests::has_coordinator;
use crate::start_error::StartError;
use crate::watchdog::Watchdog;

/// A node on a busy machine; a restart takes about 5 s, three at once as long.
const LONGEST_START: Duration = Duration::from_secs(90);
/// What is waited for longest.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

static SHARED: OnceLock<Kafka> = OnceLock::new();

/// A cluster of real Kafka brokers. Nodes have the numbers from 1 on.
///
/// Every method blocks; a test with tokio may call it directly, or through `spawn_blocking` while
/// others must go on. All take `&self`, and nodes can be treated from several threads.
///
/// The brokers end and their data is deleted when this is dropped, and also when the process ends in
/// whatever way; `KAFKA_RIG_KEEP=1` keeps the data in the workspace's `target/kafka/run`.
///
/// # Panics
///
/// Methods panic when the cluster does not do what is asked, with the reason: it is for tests.
#[derive(Debug)]
pub struct Kafka {
    listeners: Vec<Listeners>,
    nodes: Vec<Mutex<Node>>,
    // Dropped after the nodes, and before their data.
    watchdog: Watchdog,
    certificates: Option<Certificates>,
    folder: TempDir,
}

impl Kafka {
    /// One node of the default version, by default.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Starts one node of the default version.
    #[must_use]
    pub fn start() -> Kafka {
        Kafka::builder().start()
    }

    /// One node for all tests of a binary, started by the first that asks. No test should stop it.
    #[must_use]
    pub fn shared() -> &'static Kafka {
        SHARED.get_or_init(Kafka::start)
    }

    /// The [shared](Kafka::shared) node, when somebody has asked for it.
    #[must_use]
    pub fn shared_if_started() -> Option<&'static Kafka> {
        SHARED.get()
    }

    /// The addresses for `bootstrap.servers` of the Kafka to test against: the user's own of
    /// `KAFKA_TEST_BROKERS`, or else the [shared](Kafka::shared) node.
    #[must_use]
    pub fn test_brokers() -> String {
        let given = std::env::var("KAFKA_TEST_BROKERS").ok().filter(|given| !given.is_empty());
        given.unwrap_or_else(|| Kafka::shared().brokers())
    }

    pub(crate) fn new(
        listeners: Vec<Listeners>,
        nodes: Vec<Node>,
        watchdog: Watchdog,
        certificates: Option<Certificates>,
        folder: TempDir,
    ) -> Kafka {
        let nodes = nodes.into_iter().map(Mutex::new).collect();
        Kafka { listeners, nodes, watchdog, certificates, folder }
    }

    /// The addresses of all nodes for `bootstrap.servers`, without a login.
    #[must_use]
    pub fn brokers(&self) -> String {
        let all: Vec<String> = (1..=self.nodes.len()).map(|node| self.address(node)).collect();
        all.join(",")
    }

    /// The address of one node, `127.0.0.1:20123`, without a login.
    #[must_use]
    pub fn address(&self, node: usize) -> String {
        self.socket(node).to_string()
    }

    /// The addresses that send clients to where [`Builder::advertise`] says.
    #[must_use]
    pub fn misadvertised(&self) -> String {
        self.brokers_of("MISADVERTISED")
    }

    pub(crate) fn brokers_of(&self, listener: &str) -> String {
        let of_name = |node: &Listeners| {
            let port = node.clients.iter().find(|one| one.name == listener).map(|one| one.port);
            format!("127.0.0.1:{}", port.unwrap_or_else(|| panic!("no listener {listener}")))
        };
        self.listeners.iter().map(of_name).collect::<Vec<String>>().join(",")
    }

    pub(crate) fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().unwrap_or_else(|| panic!("the cluster is not secured"))
    }

    /// How many nodes there are, running or not.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// What a node has logged since its last start.
    #[must_use]
    pub fn log(&self, node: usize) -> String {
        self.node(node).log()
    }

    /// The process id of a node; `None` while it is down.
    #[must_use]
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.node(node).pid()
    }

    /// Where the data, the settings and the logs are.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Ends a node as a crash would, by SIGKILL.
    pub fn kill(&self, node: usize) {
        self.node(node).kill(&self.watchdog);
    }

    /// Ends a node in order, by SIGTERM: its partitions get other leaders first. Takes a few seconds,
    /// and more than a minute when the others are down.
    pub fn stop(&self, node: usize) {
        self.node(node).stop(&self.watchdog);
    }

    /// Lets a node stand still, by SIGSTOP: its connections stay open.
    pub fn freeze(&self, node: usize) {
        self.node(node).freeze();
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self, node: usize) {
        self.node(node).thaw();
    }

    /// Starts a node that is down on its data and its address, and waits until it serves.
    ///
    /// Of three nodes two must run for that: see [`up`](Kafka::up).
    pub fn start_node(&self, node: usize) {
        let mut node = self.node(node);
        let started = if node.pid().is_some() { Ok(()) } else { node.launch(&self.watchdog) };
        let started = started.and_then(|()| node.await_ready(LONGEST_START));
        started.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Kills a node and starts it again on its data; waits until it serves, about 5 s.
    pub fn restart(&self, node: usize) {
        self.kill(node);
        self.start_node(node);
    }

    /// Kills all nodes at once.
    pub fn down(&self) {
        for node in 1..=self.nodes() {
            self.kill(node);
        }
    }

    /// Starts all nodes that are down on their data, thaws those that are frozen, and waits until all
    /// serve.
    pub fn up(&self) {
        self.try_up().unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) fn try_up(&self) -> Result<(), StartError> {
        for node in 1..=self.nodes() {
            let mut node = self.node(node);
            node.thaw();
            if node.pid().is_none() {
                node.launch(&self.watchdog)?;
            }
        }
        for node in 1..=self.nodes() {
            self.node(node).await_ready(LONGEST_START)?;
        }
        // The first group would wait for its topic otherwise, for up to 3 s.
        let is_there = || has_coordinator(self.socket(1), "kafka-rig", 0).unwrap_or(false);
        if until(is_there) {
            return Ok(());
        }
        Err(StartError::new(format!("no group coordinator:\n{}", self.node(1).last_lines())))
    }

    pub(crate) fn socket(&self, node: usize) -> SocketAddr {
        let listeners = node.checked_sub(1).and_then(|index| self.listeners.get(index));
        let client = listeners.and_then(|listeners| listeners.clients.first());
        let client = client.unwrap_or_else(|| panic!("there is no node {node}"));
        SocketAddr::from((Ipv4Addr::LOCALHOST, client.port))
    }

    /// The nodes that can answer.
    pub(crate) fn running(&self) -> Vec<SocketAddr> {
        let running = (1..=self.nodes()).filter(|node| self.node(*node).is_up());
        running.map(|node| self.socket(node)).collect()
    }

    fn node(&self, node: usize) -> MutexGuard<'_, Node> {
        let of_number = node.checked_sub(1).and_then(|index| self.nodes.get(index));
        let node = of_number.unwrap_or_else(|| panic!("there is no node {node}"));
        node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.down();
    }
}

/// Waits for a condition; whether it became true before the deadline.
pub(crate) fn until(mut condition: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > TIMEOUT {
            return false;
        }
        std::thread::sleep(STEP);
    }
    true
}
