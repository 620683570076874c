//! What is set for a node in `server.properties`.

use std::fmt::Write;
use std::path::Path;

/// Where a node listens.
#[derive(Clone, Debug)]
pub(crate) struct Listeners {
    pub(crate) node: usize,
    pub(crate) controller: u16,
    pub(crate) clients: Vec<Listener>,
}

/// One listener for clients.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub(crate) protocol: &'static str,
    pub(crate) port: u16,
    /// The address that clients connect to; `None` for the listener's own address.
    pub(crate) advertised: Option<String>,
}

/// The listener of the brokers among themselves and of the rig.
pub(crate) const PLAINTEXT: &str = "PLAIN";

impl Listeners {
    pub(crate) fn plaintext(node: usize, port: u16, controller: u16) -> Listeners {
        let client = Listener { name: PLAINTEXT, protocol: "PLAINTEXT", port, advertised: None };
        Listeners { node, controller, clients: vec![client] }
    }
}

/// The text of `server.properties` of one of `nodes`. Of two entries with one name the later counts.
pub(crate) fn server(
    nodes: &[Listeners],
    index: usize,
    data: &Path,
    extra: &[(String, String)],
) -> String {
    let own = &nodes[index];
    let join = |parts: Vec<String>| parts.join(",");
    let voters = nodes.iter().map(|node| format!("{}@127.0.0.1:{}", node.node, node.controller));
    let clients = || own.clients.iter();
    let address = |one: &Listener| format!("{}://127.0.0.1:{}", one.name, one.port);
    let mut listeners: Vec<String> = clients().map(address).collect();
    let advertised = clients().map(|one| match &one.advertised {
        Some(advertised) => format!("{}://{advertised}", one.name),
        None => address(one),
    });
    let advertised = join(advertised.collect());
    let mut map: Vec<String> =
        clients().map(|one| format!("{}:{}", one.name, one.protocol)).collect();
    listeners.push(format!("CONTROLLER://127.0.0.1:{}", own.controller));
    map.push("CONTROLLER:PLAINTEXT".to_owned());
    let replicas = nodes.len();
    let in_sync = replicas.div_ceil(2);

    let mut text = format!(
        "process.roles=broker,controller
node.id={}
controller.quorum.voters={}
controller.listener.names=CONTROLLER
listeners={}
advertised.listeners={advertised}
inter.broker.listener.name={PLAINTEXT}
listener.security.protocol.map={}
log.dirs={}
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
{COMMON}",
        own.node,
        join(voters.collect()),
        join(listeners),
        join(map),
        data.display(),
    );
    for (name, value) in extra {
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

/// Topics are never created by themselves, or tests of missing topics would lie. A member of a group
/// with the new protocol is dead after 6 s of silence; a change of a group is answered at once.
/// The broker's session is the time that a failover and a restart take. Records stay, of whatever time they
/// are: a broker looks every five minutes for those that are too old.
const COMMON: &str = "auto.create.topics.enable=false
log.retention.ms=-1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.session.timeout.ms=6000
group.consumer.heartbeat.interval.ms=500
group.consumer.assignment.interval.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=3
transaction.state.log.num.partitions=3
";
