//! A service as a process of its own, on an embedded Kafka: signals, `kill -9`, other commands.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use event_core::EventProducer;
use event_core::broker::Broker;
use event_core::broker::kafka::EmbeddedBroker;
use service_tests::claim;

const SOUND: &str = env!("CARGO_BIN_EXE_sound-service");
const DEADLINE: Duration = Duration::from_secs(60);

/// A running `sound-service`, with the lines of its standard output.
struct Service {
    child: Child,
    lines: Receiver<String>,
}

impl Service {
    fn run(cluster: &EmbeddedBroker, variables: &[(&str, &str)]) -> Self {
        let mut child =
            command(cluster, &["run"], variables).stdout(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Service { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("the service printed nothing")
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for the end and returns the exit code, and what else was printed.
    fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let deadline = Instant::now() + DEADLINE;
        let mut rest = Vec::new();
        // The channel closes when the process closes its output, which it does by ending.
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => rest.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("the service did not end")
                }
            }
        }
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Service {
    // A test that fails leaves no service behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(cluster: &EmbeddedBroker, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(SOUND);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EVENT_")) {
        command.env_remove(name);
    }
    command
        .current_dir(std::env::temp_dir())
        .args(arguments)
        .env("EVENT_BROKERS", cluster.address())
        .env("EVENT_KAFKA_GROUP_PROTOCOL", "consumer")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

fn cluster() -> EmbeddedBroker {
    let cluster = EmbeddedBroker::start().unwrap();
    for topic in ["role_events", "role_events_dlq", "user_events", "user_events_dlq"] {
        cluster.create_topic(topic, 1).unwrap();
    }
    cluster
}

async fn publish(cluster: &EmbeddedBroker, ids: std::ops::Range<u64>) {
    let producer = EventProducer::new(cluster.broker().producer().unwrap());
    for id in ids {
        producer.as_user(42).send(&claim(id)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_ctrl_c_drain_commit_and_exit_with_0() {
    let cluster = cluster();
    for (round, signal) in ["-TERM", "-INT"].into_iter().enumerate() {
        let mut service = Service::run(&cluster, &[("EVENT_COMMIT_INTERVAL", "1h")]);
        let first = round as u64 * 10 + 20;
        publish(&cluster, first..first + 10).await;
        for id in first..first + 10 {
            assert_eq!(service.line(), format!("claim {id} of role 3 by Some(Number(42))"));
        }
        service.signal(signal);
        assert_eq!(service.end(), (Some(0), vec![]), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handled_but_not_committed_before_a_kill_is_handled_again() {
    let cluster = cluster();
    // The dead member's session has to end before its partitions are free; only the classic
    // protocol lets the client say how soon.
    let session = [
        ("EVENT_KAFKA_GROUP_PROTOCOL", "classic"),
        ("EVENT_KAFKA_SESSION_TIMEOUT_MS", "5000"),
        ("EVENT_KAFKA_HEARTBEAT_INTERVAL_MS", "1000"),
    ];
    let never = [&session[..], &[("EVENT_COMMIT_INTERVAL", "1h")]].concat();
    let mut service = Service::run(&cluster, &never);
    publish(&cluster, 20..23).await;
    for _ in 20..23 {
        service.line();
    }
    service.signal("-KILL");
    assert_eq!(service.end().0, None);
    drop(service);

    let mut service = Service::run(&cluster, &session);
    publish(&cluster, 23..25).await;
    for id in 20..25 {
        assert_eq!(service.line(), format!("claim {id} of role 3 by Some(Number(42))"));
    }
    service.signal("-TERM");
    assert_eq!(service.end(), (Some(0), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn emit_reaches_the_handler() {
    let cluster = cluster();
    let emit = ["emit", "CLAIM_ADDED", r#"{"id":20,"roleId":3}"#, "--user-id", "ann"];
    let emitted = command(&cluster, &emit, &[]).output().unwrap();
    assert!(emitted.status.success(), "{}", String::from_utf8_lossy(&emitted.stderr));
    assert_eq!(String::from_utf8_lossy(&emitted.stdout), "sent CLAIM_ADDED to role_events/0@0\n");
    let mut service = Service::run(&cluster, &[]);
    assert_eq!(service.line(), r#"claim 20 of role 3 by Some(Text("ann"))"#);
    service.signal("-TERM");
    assert_eq!(service.end(), (Some(0), vec![]));
}

#[test]
fn missing_topics_are_named_with_what_they_are_for() {
    let cluster = EmbeddedBroker::start().unwrap();
    for topic in ["role_events", "user_events_dlq"] {
        cluster.create_topic(topic, 1).unwrap();
    }
    let ran = command(&cluster, &["run"], &[]).output().unwrap();
    let report = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{report}");
    for expected in [
        "cannot start: 2 problems",
        "topic `role_events_dlq` does not exist; it is needed for the dead letters of `role_events`",
        "topic `user_events` does not exist; it is needed for the handlers of `user_events`",
        "--create --topic user_events",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}
