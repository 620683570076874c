//! What a member writes down: one line for each thing that happens, each with one write.
//!
//! A process that is killed leaves every line that it has written, because a write is over when it
//! returns and nothing is kept back.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use event_core::Position;
use event_core::delivery::TopicPartition;
use event_core::observe::{Observation, Observer};

/// A member's journal, while it is written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    member: String,
    run: u64,
}

impl Journal {
    /// Opens the journal of `member` for the events of `run`.
    #[must_use]
    pub fn open(path: &Path, member: String, run: u64) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Journal { file: file.expect("the journal can be opened"), member, run }
    }

    /// Whether events of `run` are written down here.
    #[must_use]
    pub fn is_of(&self, run: u64) -> bool {
        self.run == run
    }

    fn write(&self, what: &str, rest: &str) {
        let line = format!("{what} {} {} {rest}\n", now(), self.member);
        // One write, which appends: lines of several threads are never mixed.
        (&self.file).write_all(line.as_bytes()).expect("the journal can be written");
    }

    /// Notes that an execution begins; what is returned notes how it ends.
    #[must_use]
    pub fn begin(&self, at: &Position, key: u64, sequence: u64, attempt: u32) -> Begun<'_> {
        let what =
            format!("{} {} {} {key} {sequence} {attempt}", at.topic, at.partition, at.offset);
        self.write("begin", &what);
        Begun { journal: self, what, end: "cancelled" }
    }
}

/// An execution under way. One that is dropped was cancelled.
pub struct Begun<'j> {
    journal: &'j Journal,
    what: String,
    end: &'static str,
}

impl Begun<'_> {
    /// It is done.
    pub fn done(mut self) {
        self.end = "done";
    }

    /// It failed.
    pub fn failed(mut self) {
        self.end = "failed";
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.journal.write(self.end, &self.what);
    }
}

impl Observer for Journal {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Assigned { partitions, .. } => self.write("assigned", &list(partitions)),
            Observation::Revoked { partitions, .. } => self.write("revoked", &list(partitions)),
            Observation::CommitFailed(error) => self.write("commit-failed", &error.to_string()),
            Observation::BrokerError(error) => self.write("error", &error.to_string()),
            _ => return,
        }
        // Whoever started the process follows what it owns.
        if let Observation::Assigned { partitions, .. } = observation {
            println!("assigned {}", list(partitions));
        }
        if let Observation::Revoked { partitions, .. } = observation {
            println!("revoked {}", list(partitions));
        }
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    let partitions: Vec<_> = partitions.iter().map(ToString::to_string).collect();
    partitions.join(" ")
}

/// Microseconds since 1970. All processes are on one machine, so their clocks are the same.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The handler returned `Ok`.
    Done,
    /// The handler failed.
    Failed,
    /// The engine cancelled it.
    Cancelled,
}

/// One execution of a handler.
#[derive(Clone, Debug)]
pub struct Execution {
    /// `topic/partition@offset`.
    pub record: String,
    /// `topic/partition`.
    pub partition: String,
    /// The topic and the key.
    pub key: (String, u64),
    /// The sequence of the key.
    pub sequence: u64,
    /// The attempt.
    pub attempt: u32,
    /// When it began.
    pub begin: i64,
    /// When and how it ended; `None` when the process ended first.
    pub end: Option<(i64, End)>,
}

/// What a member wrote down.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The executions, by their beginning.
    pub executions: Vec<Execution>,
    /// When which partitions were given up.
    pub revoked: Vec<(i64, Vec<String>)>,
    /// Other lines, such as errors, verbatim.
    pub notes: Vec<String>,
}

/// Reads a journal.
#[must_use]
pub fn read(path: &Path) -> Written {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut written = Written::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (what, time) = (words[0], words[1].parse().expect("a time"));
        match what {
            "begin" => written.executions.push(execution(&words[3..], time)),
            "done" | "failed" | "cancelled" => {
                let end = match what {
                    "done" => End::Done,
                    "failed" => End::Failed,
                    _ => End::Cancelled,
                };
                let ended = execution(&words[3..], time);
                let begun =
                    written.executions.iter_mut().rev().find(|begun| {
                        begun.record == ended.record && begun.attempt == ended.attempt
                    });
                begun.expect("what ends has begun").end = Some((time, end));
            }
            "revoked" => {
                let partitions = words[3..].iter().map(ToString::to_string).collect();
                written.revoked.push((time, partitions));
                written.notes.push(line.to_owned());
            }
            _ => written.notes.push(line.to_owned()),
        }
    }
    written
}

fn execution(words: &[&str], begin: i64) -> Execution {
    let [topic, partition, offset, key, sequence, attempt] = words else {
        panic!("{words:?} is no execution")
    };
    Execution {
        record: format!("{topic}/{partition}@{offset}"),
        partition: format!("{topic}/{partition}"),
        key: ((*topic).to_owned(), key.parse().unwrap()),
        sequence: sequence.parse().unwrap(),
        attempt: attempt.parse().unwrap(),
        begin,
        end: None,
    }
}
