//! A service's process, with a clock beside what it says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use kafka_rig::Kafka;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::shared::{self, command, run};

/// A service with one topic, `role_events`.
const SERVICE: &str = env!("CARGO_BIN_EXE_ledger-service");
/// For what has to happen; a machine that has much to do is slow.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(90);
/// How often health is asked for.
const STEP: Duration = Duration::from_millis(50);

pub(crate) const TOPIC: &str = "role_events";
pub(crate) const DEAD_LETTERS: &str = "role_events_dlq";
pub(crate) const REDRIVE: &str = "role_events_redrive";

/// The settings of the service.
pub(crate) type Variables = BTreeMap<String, String>;

/// The variables of a service at `brokers`.
pub(crate) fn variables(brokers: &str, group: &str) -> Variables {
    [("EVENT_BROKERS", brokers), ("EVENT_GROUP", group)].map(|(n, v)| (n.into(), v.into())).into()
}

/// The same with the properties of a client.
pub(crate) fn with_login(group: &str, mut properties: BTreeMap<String, String>) -> Variables {
    let brokers = properties.remove("bootstrap.servers").unwrap();
    let mut variables = variables(&brokers, group);
    for (name, value) in properties {
        set(&mut variables, &name, value);
    }
    variables
}

/// Sets a property of librdkafka.
pub(crate) fn set(variables: &mut Variables, property: &str, value: impl Into<String>) {
    let name = format!("EVENT_KAFKA_{}", property.to_uppercase().replace('.', "_"));
    variables.insert(name, value.into());
}

/// The topics that the service wants.
pub(crate) fn make_topics(kafka: &Kafka) {
    for (topic, partitions) in [(TOPIC, 3), (DEAD_LETTERS, 1), (REDRIVE, 1)] {
        kafka.create_topic(topic, partitions);
    }
}

/// Sends claims to one partition.
pub(crate) fn send(kafka: &Kafka, partition: i32, ids: std::ops::Range<u64>) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
    for id in ids {
        let value = format!(
            r#"{{"eventType": "CLAIM_ADDED", "userId": 42, "data": {{"id": {id}, "roleId": 3}}}}"#
        );
        let record: BaseRecord<'_, (), String> = BaseRecord::to(TOPIC).payload(&value);
        producer.send(record.partition(partition)).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}

/// A row of the table.
pub(crate) fn row(fault: &str, shown: &Shown, result: &str) {
    static HEAD: OnceLock<()> = OnceLock::new();
    HEAD.get_or_init(|| {
        println!("\n| fault | message | s | exit code or health |\n|---|---|---|---|");
    });
    // Without the time of the log.
    let text = shown.text.find("Z ").map_or(&*shown.text, |at| &shown.text[at + 1..]);
    let text = text.trim().replace('|', "\\|");
    println!("| {fault} | {text} | {:.1} | {result} |", shown.after.as_secs_f64());
}

/// What was said, and how long after the fault.
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) after: Duration,
}

impl Shown {
    pub(crate) fn within(&self, seconds: u64) -> &Shown {
        assert!(self.after <= Duration::from_secs(seconds), "{:?}: {}", self.after, self.text);
        self
    }
}

pub(crate) struct Service {
    process: Child,
    port: u16,
    pub(crate) began: Instant,
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Service {
    pub(crate) fn start(variables: &Variables) -> Service {
        Service::start_program(SERVICE, &["run"], variables)
    }

    pub(crate) fn start_program(
        program: &str,
        arguments: &[&str],
        variables: &Variables,
    ) -> Service {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let began = Instant::now();
        let mut process = command(program)
            .args(arguments)
            .env("EVENT_ADMIN_PORT", port.to_string())
            .env("NO_COLOR", "1")
            .envs(variables)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::default();
        follow(process.stdout.take().unwrap(), &lines);
        follow(process.stderr.take().unwrap(), &lines);
        Service { process, port, began, lines }
    }

    /// Everything that it said.
    pub(crate) fn log(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |at: &Instant| at.saturating_duration_since(self.began).as_secs_f64();
        lines.iter().map(|(at, line)| format!("{:6.2} {line}\n", since(at))).collect()
    }

    /// Waits for a line with all `words` that comes after `fault`.
    pub(crate) fn says(&self, fault: Instant, words: &[&str]) -> Shown {
        let began = Instant::now();
        loop {
            let found = {
                let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                let mut later = lines.iter().filter(|(at, _)| *at >= fault);
                later.find(|(_, line)| words.iter().all(|word| line.contains(word))).cloned()
            };
            if let Some((at, text)) = found {
                return Shown { text, after: at - fault };
            }
            assert!(began.elapsed() < TIMEOUT, "nothing with {words:?}:\n{}", self.log());
            std::thread::sleep(STEP);
        }
    }

    /// Whether a line with all `words` was there.
    pub(crate) fn has_said(&self, words: &[&str]) -> bool {
        self.log().lines().any(|line| words.iter().all(|word| line.contains(word)))
    }

    /// Waits until readiness is reported with `status` and all `words`.
    pub(crate) fn is_ready(&self, fault: Instant, status: u16, words: &[&str]) -> Shown {
        let began = Instant::now();
        loop {
            let answer = self.readiness();
            if let Some((code, text)) = &answer
                && *code == status
                && words.iter().all(|word| text.contains(word))
            {
                return Shown { text: messages(text, words), after: fault.elapsed() };
            }
            assert!(
                began.elapsed() < TIMEOUT,
                "not {status} with {words:?}, but {answer:?}:\n{}",
                self.log()
            );
            std::thread::sleep(STEP);
        }
    }

    /// Waits until the group has committed this offset.
    pub(crate) fn commits(&self, variables: &Variables, offset: u64) {
        let variables: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let began = Instant::now();
        loop {
            let lag = run(SERVICE, &["lag", "--json"], &variables);
            assert_eq!(lag.code, Some(0), "{}{}", lag.out, lag.err);
            if lag.out.contains(&format!("\"committed\": {offset}")) {
                return;
            }
            assert!(began.elapsed() < TIMEOUT, "{}\n{}", lag.out, self.log());
        }
    }

    /// Status and body of `/health/ready`.
    pub(crate) fn readiness(&self) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).ok()?;
        stream.write_all(b"GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// Waits for its end: the exit code, and what it said.
    pub(crate) fn end(&mut self) -> (Option<i32>, Shown) {
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                let after = self.began.elapsed();
                // The readers come to the end of the pipes a moment later.
                std::thread::sleep(STEP);
                return (status.code(), Shown { text: self.log(), after });
            }
            assert!(self.began.elapsed() < TIMEOUT, "it does not end:\n{}", self.log());
            std::thread::sleep(STEP);
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        shared::signal(&self.process, signal);
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Service {
    // A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a service that is to end at its start with 2, and prints the row: the first line with all
/// `words`.
pub(crate) fn is_refused(fault: &str, variables: &Variables, words: &[&str]) -> Duration {
    ends_with_2(fault, Service::start(variables), words)
}

/// Runs a command of the service that is to end with `code` and to print all `words`.
pub(crate) fn prints(arguments: &[&str], variables: &Variables, code: i32, words: &[&str]) {
    let variables: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let ended = run(SERVICE, arguments, &variables);
    let text = format!("{}{}", ended.out, ended.err);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: {word:?} is not in {text}");
    }
}

pub(crate) fn ends_with_2(fault: &str, mut service: Service, words: &[&str]) -> Duration {
    let (code, shown) = service.end();
    // The problem and its help, without the times.
    let lines = shown.text.lines().map(|line| line.get(7..).unwrap_or_default().trim());
    let text: Vec<_> = lines.skip_while(|line| !line.starts_with("1. ")).collect();
    let text = text.join("; ").trim_end_matches("; ").to_owned();
    let has_all = words.iter().all(|word| text.contains(word));
    assert!(has_all, "{fault}: not all of {words:?}:\n{}", shown.text);
    row(fault, &Shown { text, after: shown.after }, &format!("exit {}", code.unwrap_or(-1)));
    assert_eq!(code, Some(2), "{fault}:\n{}", shown.text);
    shown.after
}

/// What health says in the problem with all `words`.
fn messages(body: &str, words: &[&str]) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let problems = body["problems"].as_array().unwrap();
    let of = |problem: &serde_json::Value| {
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", text("code"), text("message"))
    };
    let mut messages = problems.iter().map(of);
    messages.find(|text| words.iter().all(|word| text.contains(word))).unwrap_or_default()
}

fn follow(output: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<(Instant, String)>>>) {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            lines.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), line));
        }
    });
}
