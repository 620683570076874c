//! A member of the group as a process.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, Rig};
use crate::journal::now;

/// How a member is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The group.
    pub group: String,
    /// Distinguishes the events of one test from those of another.
    pub run: u64,
    /// How long a handler takes, in milliseconds: from, and how many more at most.
    pub takes: (u64, u64),
    /// How long the records in flight may take at the end.
    pub drain: &'static str,
    /// Its other settings.
    pub variables: Vec<(&'static str, String)>,
}

/// A process, and what was done to it.
pub struct Member {
    /// Its name, which no other process of the test has.
    pub name: String,
    /// Where its journal is.
    pub journal: PathBuf,
    /// When it was killed.
    pub killed: Option<i64>,
    /// From when to when it was frozen.
    pub frozen: Vec<(i64, i64)>,
    log: PathBuf,
    process: Child,
    owned: Arc<Mutex<BTreeSet<String>>>,
    is_frozen: bool,
    is_over: bool,
}

impl Member {
    /// Starts one.
    #[must_use]
    pub fn start(rig: &Rig, cluster: &Cluster, start: &Start, name: &str) -> Member {
        let folder = Path::new(rig.folder).join(&start.group);
        std::fs::create_dir_all(&folder).unwrap();
        let (journal, log) = (folder.join(name), folder.join(format!("{name}.log")));
        let mut command = Command::new(rig.member);
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("EVENT_")) {
            command.env_remove(variable);
        }
        let mut process = command
            .arg("run")
            .current_dir(&folder)
            .envs(cluster.variables())
            .env("EVENT_GROUP", &start.group)
            .env("EVENT_DRAIN", start.drain)
            .env("MEMBER_NAME", name)
            .env("MEMBER_JOURNAL", &journal)
            .env("MEMBER_RUN", start.run.to_string())
            .env("MEMBER_TAKES_FROM_MS", start.takes.0.to_string())
            .env("MEMBER_TAKES_MORE_MS", start.takes.1.to_string())
            .envs(start.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let owned = Arc::default();
        follow(process.stdout.take().unwrap(), Arc::clone(&owned));
        let name = name.to_owned();
        Member {
            name,
            journal,
            killed: None,
            frozen: Vec::new(),
            log,
            process,
            owned,
            is_frozen: false,
            is_over: false,
        }
    }

    /// The partitions that it says it has.
    #[must_use]
    pub fn owned(&self) -> BTreeSet<String> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it runs, and is not frozen.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.killed.is_none() && !self.is_frozen && !self.is_over
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.killed = Some(now());
        self.signal("-KILL");
        self.process.wait().unwrap();
        // What is killed between the clock and the signal was not killed later.
        self.killed = Some(now());
    }

    /// Freezes it.
    pub fn freeze(&mut self) {
        self.frozen.push((now(), i64::MAX));
        self.is_frozen = true;
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        // Before the signal: it goes on at once.
        if let Some((_, to)) = self.frozen.last_mut() {
            *to = now();
        }
        self.is_frozen = false;
        self.signal("-CONT");
    }

    /// Stops it.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub async fn end(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            if Instant::now() > deadline {
                let log = self.log();
                panic!("{} did not end within {within:?}:\n{log}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.try_wait().unwrap();
        self.is_over |= status.is_some();
        status
    }

    /// The last lines of its log, without the attempts that fail on purpose.
    #[must_use]
    pub fn end_of_log(&self) -> String {
        let log = self.log();
        let mut lines: Vec<_> = log.lines().filter(|l| !l.contains("attempt failed")).collect();
        let last = lines.split_off(lines.len().saturating_sub(20));
        format!("{}:\n{}", self.name, last.join("\n"))
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Member {
    // A test that fails leaves no process behind. A frozen one is killed all the same.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn follow(output: impl std::io::Read + Send + 'static, owned: Arc<Mutex<BTreeSet<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut owned = owned.lock().unwrap_or_else(PoisonError::into_inner);
            let partitions = |rest: &str| -> Vec<String> {
                rest.split(' ').filter(|one| !one.is_empty()).map(str::to_owned).collect()
            };
            if let Some(rest) = line.strip_prefix("assigned ") {
                owned.extend(partitions(rest));
            } else if let Some(rest) = line.strip_prefix("revoked ") {
                owned.retain(|one| !partitions(rest).contains(one));
            }
        }
    });
}
