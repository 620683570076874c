//! The process of one node.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::start_error::{Context, StartError};
use crate::watchdog::{Watchdog, signal};

/// How often a condition is looked at.
pub(crate) const STEP: Duration = Duration::from_millis(20);

/// How a node is started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) command: Command,
    /// Grows with every start.
    pub(crate) log: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Node {
    launch: Launch,
    process: Option<Child>,
    frozen: bool,
    /// How long the log was at the last start.
    log_begin: u64,
}

impl Node {
    pub(crate) fn new(launch: Launch) -> Node {
        Node { launch, process: None, frozen: false, log_begin: 0 }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Whether it can answer.
    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some() && !self.frozen
    }

    /// Starts the process; see [`await_ready`](Node::await_ready).
    pub(crate) fn launch(&mut self, watchdog: &Watchdog) -> Result<(), StartError> {
        let path = &self.launch.log;
        let log = OpenOptions::new().create(true).append(true).open(path);
        let log = log.context("cannot open", path)?;
        self.log_begin = log.metadata().context("cannot read", path)?.len();
        let process = watchdog.spawn(&self.launch.command, &log).context("cannot start", path)?;
        self.process = Some(process);
        Ok(())
    }

    /// Waits until the broker says that it serves. Its port answers earlier than it does.
    pub(crate) fn await_ready(&mut self, longest: Duration) -> Result<(), StartError> {
        let begin = Instant::now();
        loop {
            if self.log().contains("Kafka Server started") {
                return Ok(());
            }
            let ended = self.process.as_mut().is_none_or(|one| !matches!(one.try_wait(), Ok(None)));
            if ended || begin.elapsed() > longest {
                let why = if ended { "ended while it started" } else { "did not start in time" };
                return Err(StartError::new(format!("Kafka {why}:\n{}", self.last_lines())));
            }
            sleep(STEP);
        }
    }

    /// What it has logged since its last start.
    pub(crate) fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.launch.log) {
            let _ = file.seek(SeekFrom::Start(self.log_begin));
            let _ = file.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn last_lines(&self) -> String {
        let log = self.log();
        let mut lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.reverse();
        lines.join("\n")
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self, watchdog: &Watchdog) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
        }
        self.await_end(watchdog);
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self, watchdog: &Watchdog) {
        self.thaw();
        if let Some(pid) = self.pid() {
            signal("TERM", pid);
        }
        self.await_end(watchdog);
    }

    pub(crate) fn await_end(&mut self, watchdog: &Watchdog) {
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
            watchdog.forget(process.id());
        }
        self.frozen = false;
    }

    pub(crate) fn freeze(&mut self) {
        if let Some(pid) = self.pid() {
            signal("STOP", pid);
            self.frozen = true;
        }
    }

    pub(crate) fn thaw(&mut self) {
        if let Some(pid) = self.pid().filter(|_| self.frozen) {
            signal("CONT", pid);
            self.frozen = false;
        }
    }
}
