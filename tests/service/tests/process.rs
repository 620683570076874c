//! A service as a process of its own, on an embedded Kafka: signals, `kill -9`, other commands.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod shared;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use event_core::EventProducer;
use event_core::broker::Broker;
use event_core::broker::kafka::EmbeddedBroker;
use service_tests::{ClaimAdded, claim};

const SOUND: &str = env!("CARGO_BIN_EXE_sound-service");
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running `sound-service`, with the lines of its standard output and of its log.
struct Service {
    child: Child,
    lines: Receiver<String>,
    log: Receiver<String>,
}

fn follow(output: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    lines
}

impl Service {
    fn run(cluster: &EmbeddedBroker, variables: &[(&str, &str)]) -> Self {
        let mut command = command(cluster, &["run"], variables);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = follow(child.stdout.take().unwrap());
        let log = follow(child.stderr.take().unwrap());
        Service { child, lines, log }
    }

    /// Waits for a line of the log that contains `text`.
    fn log_line(&self, text: &str) -> String {
        let mut before = Vec::new();
        loop {
            match self.log.recv_timeout(TIMEOUT) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => before.push(line),
                Err(_) => panic!("{text:?} is not in the log:\n{}", before.join("\n")),
            }
        }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(TIMEOUT).expect("the service printed nothing")
    }

    fn signal(&self, signal: &str) {
        shared::signal(&self.child, signal);
    }

    /// The port that serves health, once it is in the log.
    fn admin_port(&self) -> String {
        let log = self.log_line("serving health at");
        // Without the colours of the log.
        let port = log.split("127.0.0.1:").nth(1).unwrap();
        port.chars().take_while(char::is_ascii_digit).collect()
    }

    /// Waits for the end and returns the exit code, and what else was printed.
    fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let deadline = Instant::now() + TIMEOUT;
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
    let mut command = shared::command(SOUND);
    command
        .args(arguments)
        .env("EVENT_BROKERS", cluster.address())
        .env("EVENT_KAFKA_GROUP_PROTOCOL", "consumer")
        .envs(variables.iter().copied());
    command
}

fn cluster() -> EmbeddedBroker {
    cluster_of(1)
}

fn cluster_of(partitions: i32) -> EmbeddedBroker {
    let cluster = EmbeddedBroker::start().unwrap();
    for topic in ["role_events", "role_events_dlq", "user_events", "user_events_dlq"] {
        cluster.create_topic(topic, partitions).unwrap();
    }
    cluster
}

/// Whether health is good, and what it says.
fn health(port: &str, path: &str) -> (bool, serde_json::Value) {
    let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("health does not answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.contains(" 200 "), serde_json::from_str(body).unwrap())
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
async fn a_second_signal_ends_the_process_at_once() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let cluster = cluster();
        let mut service = Service::run(&cluster, &[("EVENT_DRAIN", "200s")]);
        publish(&cluster, 17..18).await;
        assert_eq!(service.line(), "claim 17 of role 3 by Some(Number(42))");
        service.signal(signal);
        // The first is logged before it takes effect.
        service.log_line("shutting down");
        service.signal(signal);
        assert_eq!(service.end(), (Some(code), vec![]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_ends_does_not_hold_the_process_beyond_its_deadline() {
    let cluster = cluster();
    let mut service = Service::run(&cluster, &[("EVENT_DRAIN", "1s")]);
    publish(&cluster, 17..18).await;
    assert_eq!(service.line(), "claim 17 of role 3 by Some(Number(42))");
    service.signal("-TERM");
    service.log_line("1 partition still had records in flight after 1s");
    assert_eq!(service.end(), (Some(1), vec![]));
}

/// A service with a handler that never lets go on each thread that there is for handlers.
async fn blocked(drain: &str) -> (EmbeddedBroker, Service, String) {
    let cluster = cluster_of(8);
    let threads = ("TOKIO_WORKER_THREADS", "2");
    let variables = [threads, ("EVENT_DRAIN", drain), ("EVENT_ADMIN_PORT", "0")];
    let service = Service::run(&cluster, &variables);
    let port = service.admin_port();
    let producer = EventProducer::new(cluster.broker().producer().unwrap());
    for role_id in 0..40 {
        producer.send(&ClaimAdded { id: 18, role_id }).await.unwrap();
    }
    for _ in 0..2 {
        assert!(service.line().starts_with("claim 18 of role "));
    }
    (cluster, service, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_block_all_threads_do_not_hold_a_shutdown() {
    let (_cluster, mut service, port) = blocked("2s").await;
    assert!(health(&port, "/health/live").0);
    let asked = Instant::now();
    service.signal("-TERM");
    service.log_line("shutting down");
    // The drain is not over, and whoever looks sees what it waits for.
    let (is_ready, answer) = health(&port, "/health/ready");
    assert!(!is_ready, "{answer:#}");
    assert_eq!(answer["problems"][0]["code"], "shutting_down", "{answer:#}");
    // Nor did it reach the lanes without a record in flight.
    service.log_line("2 partitions still had records in flight after 2s");
    for _ in 0..2 {
        service.log_line("`record_claim` has had role_events/");
    }
    assert_eq!(service.end(), (Some(1), vec![]));
    // The drain, the last commit, leaving the group: seconds, however busy the machine is.
    assert!(asked.elapsed() < TIMEOUT / 2, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_is_received_although_handlers_block_all_threads() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let (_cluster, mut service, _) = blocked("200s").await;
        service.signal(signal);
        service.log_line("shutting down");
        service.signal(signal);
        assert_eq!(service.end(), (Some(code), vec![]));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_process_reports_its_health_and_is_paused_by_command() {
    let cluster = cluster();
    let mut service = Service::run(&cluster, &[("EVENT_ADMIN_PORT", "0")]);
    let port = service.admin_port();
    let admin = [("EVENT_ADMIN_PORT", &*port)];
    let health = |path: &str| health(&port, path);
    let until = Instant::now() + TIMEOUT;
    let wait_for = |what: &dyn Fn(&serde_json::Value) -> bool| loop {
        let (is_ready, answer) = health("/health/ready");
        assert!(health("/health/live").0, "{answer:#}");
        if is_ready && what(&answer) {
            return;
        }
        assert!(Instant::now() < until, "{answer:#}");
        std::thread::sleep(Duration::from_millis(100));
    };
    wait_for(&|answer| answer["groups"][0]["lag"] == 0);

    let by_command = |arguments: &[&str]| {
        let ran = command(&cluster, arguments, &admin).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    assert_eq!(by_command(&["pause", "--topic", "role_events"]), "paused  topic role_events\n");
    publish(&cluster, 20..22).await;
    wait_for(&|answer| answer["groups"][0]["lag"] == 2);
    assert_eq!(by_command(&["resume", "--topic", "role_events"]), "nothing is paused\n");
    for id in 20..22 {
        assert_eq!(service.line(), format!("claim {id} of role 3 by Some(Number(42))"));
    }
    wait_for(&|answer| answer["groups"][0]["lag"] == 0);
    service.signal("-TERM");
    assert_eq!(service.end(), (Some(0), vec![]));
}
