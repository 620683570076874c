//! What commands do when what they print cannot be written: nobody reads it, or a disk is full.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod shared;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use event_core::EventProducer;
use event_core::broker::Broker;
use event_core::broker::kafka::EmbeddedBroker;
use service_tests::claim;

const SOUND: &str = env!("CARGO_BIN_EXE_sound-service");
// For a machine that is busy.
const TIMEOUT: Duration = Duration::from_secs(60);

fn command(cluster: &EmbeddedBroker, arguments: &[&str]) -> Command {
    let mut command = shared::command(SOUND);
    command
        .args(arguments)
        .env("EVENT_BROKERS", cluster.address())
        .env("EVENT_KAFKA_GROUP_PROTOCOL", "consumer");
    command
}

async fn cluster(records: u64) -> EmbeddedBroker {
    let cluster = EmbeddedBroker::start().unwrap();
    for topic in ["role_events", "user_events"] {
        for derived in ["", "_dlq", "_redrive"] {
            cluster.create_topic(&format!("{topic}{derived}"), 1).unwrap();
        }
    }
    let producer = EventProducer::new(cluster.broker().producer().unwrap());
    for id in 0..records {
        producer.send(&claim(id)).await.unwrap();
    }
    cluster
}

/// Every command that prints, with arguments that it succeeds with.
const PRINTING: [&[&str]; 21] = [
    &["--help"],
    &["--version"],
    &["tail", "--help"],
    &["check"],
    &["check", "--json"],
    &["handlers"],
    &["handlers", "--json"],
    &["contracts"],
    &["explain", "role_events", "CLAIM_ADDED"],
    &["graph"],
    &["graph", "--format", "dot"],
    &["acls"],
    &["emit", "CLAIM_ADDED", r#"{"id": 1, "roleId": 3}"#],
    &["tail"],
    &["lag"],
    &["dlq", "ls"],
    &["topics", "ls"],
    &["topics", "create", "--dry-run"],
    &["seek", "--topic", "role_events", "--to", "beginning", "--dry-run"],
    &["replay", "--topic", "role_events", "--from", "beginning", "--dry-run"],
    &["dev", "--exit-when-idle"],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_error_of_every_command_that_prints() {
    let cluster = cluster(3).await;
    let is_emitted = |arguments| {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = command(&cluster, arguments).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{arguments:?}: {err}");
        let expected = "standard output cannot be written: No space left on device";
        assert!(err.contains(expected), "{arguments:?}: {err}");
    };
    // They mostly wait for the broker, so they do it together.
    std::thread::scope(|scope| {
        for arguments in PRINTING {
            scope.spawn(move || is_emitted(arguments));
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_cannot_be_printed_keeps_its_exit_code() {
    let cluster = cluster(0).await;
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (arguments, code) in [
        (&["check", "--config", "no-such-file.toml"][..], 2),
        (&["explain", "role_events", "NOTHING", "--config", "no-such-file.toml"], 2),
        (&["no-such-command"], 2),
    ] {
        let ran = command(&cluster, arguments).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(ran.code(), Some(code), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_among_those_that_print() {
    let cluster = cluster(0).await;
    let help = command(&cluster, &["--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 15, "{help}");
    // A service that runs prints nothing, and those of a running service need one.
    let others = ["run", "pause", "resume", "paused"];
    for name in names.into_iter().filter(|name| !others.contains(name)) {
        assert!(
            PRINTING.iter().any(|arguments| arguments[0] == name),
            "{name} is not in the table"
        );
    }
}

/// Reads so many lines, closes the pipe, and says how the command ended and what it said.
fn read_and_leave(mut child: Child, lines: usize) -> (Option<i32>, String) {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..lines {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0);
    }
    drop(out);
    let mut stderr = child.stderr.take().unwrap();
    let (send, ended) = channel();
    let id = child.id();
    std::thread::spawn(move || {
        let mut err = String::new();
        let _ = stderr.read_to_string(&mut err);
        let _ = send.send((child.wait().unwrap().code(), err));
    });
    ended.recv_timeout(TIMEOUT).unwrap_or_else(|_| {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        panic!("the command goes on although nobody reads it");
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_command() {
    let cluster = cluster(20).await;
    for (arguments, lines) in [
        // More is there than is read.
        (&["tail", "-f", "--from", "beginning"][..], 2),
        // All is read, and nothing more comes.
        (&["tail", "-f", "--from", "beginning"], 20),
        (&["tail", "--json"], 1),
        (&["dev"], 2),
    ] {
        let mut command = command(&cluster, arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (code, err) = read_and_leave(child, lines);
        assert_eq!((code, err.contains("panicked")), (Some(0), false), "{arguments:?}: {err}");
    }
}
