//! Kafka as jars, and what makes its start fast: one folder for each version below the workspace's
//! `target/kafka`, made once and shared by all processes.
//!
//! | in the folder | what |
//! |---|---|
//! | `libs` | the jars, by Maven |
//! | `classes.jsa` | the class-data archive: a start takes 1.2 s with it, 3 s without |
//! | `formatted` | a formatted data folder to copy, which saves a JVM at each start |
//! | `lock` | locked by the process that makes one of these |
//!
//! Each is made under another name and renamed when it is whole: what is there is complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::java::{OLDEST_JAVA, has_maven, java, java_version};
use crate::node::{Launch, Node};
use crate::ports::free_ports;
use crate::properties::{self, Listeners};
use crate::start_error::{Context, StartError};
use crate::watchdog::{Watchdog, signal};

/// Any will do; all nodes of a cluster share it.
pub(crate) const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";
/// The fast compiler and a plain collector halve the time to start.
pub(crate) const FAST_START: &[&str] = &["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"];

const POM: &str = include_str!("pom.xml");
const LOG4J: &str = include_str!("log4j2.properties");
/// How the names of folders begin in which something is made.
const SCRATCH: &str = "making-";
/// The first start, without an archive and perhaps beside a build.
const LONGEST_START: Duration = Duration::from_secs(120);

/// One version of Kafka, ready to be started.
#[derive(Clone, Debug)]
pub(crate) struct Install {
    folder: PathBuf,
}

impl Install {
    /// Where everything of the rig lies.
    pub(crate) fn root() -> PathBuf {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        workspace.unwrap_or(Path::new(".")).join("target/kafka")
    }

    /// Makes what is missing. Another process that does so at the same time is waited for.
    pub(crate) fn of(version: &str) -> Result<Install, StartError> {
        let install = Install { folder: Install::root().join(version) };
        if install.is_complete() {
            return Ok(install);
        }
        match java_version() {
            None => return Err(StartError::new("`java` does not run: install Java 17 or newer")),
            Some(old) if old < OLDEST_JAVA => {
                return Err(StartError::new(format!(
                    "`java` is of version {old}: install Java {OLDEST_JAVA} or newer"
                )));
            }
            Some(_) => {}
        }
        fs::create_dir_all(&install.folder).context("cannot create", &install.folder)?;
        let lock = install.folder.join("lock");
        let lock = File::create(&lock).context("cannot create", &lock)?;
        lock.lock().context("cannot lock", &install.folder)?;
        install.make(version)?;
        Ok(install)
    }

    fn is_complete(&self) -> bool {
        [self.libs(), self.archive(), self.formatted()].iter().all(|path| path.exists())
    }

    fn libs(&self) -> PathBuf {
        self.folder.join("libs")
    }

    fn archive(&self) -> PathBuf {
        self.folder.join("classes.jsa")
    }

    fn formatted(&self) -> PathBuf {
        self.folder.join("formatted")
    }

    fn make(&self, version: &str) -> Result<(), StartError> {
        // What is here belongs to a process that was killed, or to the Maven that outlived it: this
        // one has the lock. So the name is another each time.
        let stale = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in stale.filter(|one| one.file_name().to_string_lossy().starts_with(SCRATCH)) {
            let _ = fs::remove_dir_all(entry.path());
        }
        let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&self.folder);
        let scratch = scratch.context("cannot create a folder in", &self.folder)?;
        if !self.libs().exists() {
            download(version, scratch.path())?;
            rename(&scratch.path().join("libs"), &self.libs())?;
        }
        let log4j = self.folder.join("log4j2.properties");
        fs::write(&log4j, LOG4J).context("cannot write", &log4j)?;

        let ports = free_ports(2)?;
        let listeners = Listeners::plaintext(1, ports[0], ports[1]);
        let data = scratch.path().join("formatted");
        let text = properties::server(&[listeners], 0, &data, &[]);
        let settings = scratch.path().join("server.properties");
        fs::write(&settings, text).context("cannot write", &settings)?;
        if !self.formatted().exists() {
            self.format(&settings, &[])?;
            copy_folder(&data, &scratch.path().join("copy"))?;
            rename(&scratch.path().join("copy"), &self.formatted())?;
        } else {
            self.prepare_data(&data, 1)?;
        }
        if !self.archive().exists() {
            self.archive_classes(scratch.path(), &settings)?;
            rename(&scratch.path().join("classes.jsa"), &self.archive())?;
        }
        Ok(())
    }

    /// Starts a broker that writes the archive when it ends.
    fn archive_classes(&self, scratch: &Path, settings: &Path) -> Result<(), StartError> {
        let watchdog = Watchdog::start(None).context("cannot start a shell for", scratch)?;
        let archive = scratch.join("classes.jsa");
        let mut command = self.java(FAST_START);
        command.arg(format!("-XX:ArchiveClassesAtExit={}", archive.display()));
        command.args(["-Xlog:cds=off", "-Xlog:cds+dynamic=off", "kafka.Kafka"]).arg(settings);
        let launch = Launch { command, log: scratch.join("log") };
        let mut node = Node::new(launch);
        node.launch(&watchdog)?;
        node.await_ready(LONGEST_START)?;
        if let Some(pid) = node.pid() {
            signal("TERM", pid);
        }
        node.await_end(&watchdog);
        if archive.exists() {
            return Ok(());
        }
        Err(StartError::new(format!("Java made no class-data archive:\n{}", node.last_lines())))
    }

    /// A `java` with the class path.
    fn java(&self, options: &[&str]) -> Command {
        let mut command = Command::new(java());
        let log4j = self.folder.join("log4j2.properties");
        command.arg(format!("-Dlog4j2.configurationFile={}", log4j.display())).args(options);
        command.arg("-cp").arg(self.libs().join("*"));
        command
    }

    /// The command that runs a broker.
    pub(crate) fn broker(&self, options: &[&str], settings: &Path) -> Command {
        let mut all = options.to_vec();
        let archive = format!("-XX:SharedArchiveFile={}", self.archive().display());
        all.push(&archive);
        let mut command = self.java(&all);
        command.arg("kafka.Kafka").arg(settings);
        command
    }

    /// Runs Kafka's own formatter on the data folder that `settings` name; it takes a second.
    pub(crate) fn format(&self, settings: &Path, arguments: &[String]) -> Result<(), StartError> {
        let mut command = self.java(FAST_START);
        command.args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
        let output = command.arg(settings).args(arguments).output();
        let output = output.context("cannot format the data of", settings)?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Err(StartError::new(format!("Kafka does not format its data folder:\n{said}")))
    }

    /// Makes a formatted data folder without Java.
    pub(crate) fn prepare_data(&self, data: &Path, node: usize) -> Result<(), StartError> {
        copy_formatted(&self.formatted(), data, node)
    }
}

/// Copies a formatted data folder for another node: only `meta.properties` names the node.
pub(crate) fn copy_formatted(from: &Path, data: &Path, node: usize) -> Result<(), StartError> {
    copy_folder(from, data)?;
    let meta = data.join("meta.properties");
    // The id of the folder is 16 bytes in base64; not all zero, which means something to Kafka.
    let text = format!(
        "version=1\nnode.id={node}\ncluster.id={CLUSTER_ID}\ndirectory.id=a2Fma2EtcmlnLW5vZGU{node}Xw\n"
    );
    fs::write(&meta, text).context("cannot write", &meta)
}

fn download(version: &str, scratch: &Path) -> Result<(), StartError> {
    if !has_maven() {
        return Err(StartError::new("`mvn` does not run: install Maven, which downloads Kafka"));
    }
    let pom = scratch.join("pom.xml");
    fs::write(&pom, POM.replace("@version@", version)).context("cannot write", &pom)?;
    let output = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", scratch.join("libs").display()))
        .stdin(Stdio::null())
        .output();
    let output = output.context("cannot run `mvn` on", &pom)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Err(StartError::new(format!("Maven does not download Kafka {version}:\n{said}")))
}

fn rename(from: &Path, to: &Path) -> Result<(), StartError> {
    fs::rename(from, to).context("cannot rename to", to)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), StartError> {
    fn copy(from: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let to = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy(&entry.path(), &to)?;
            } else {
                fs::copy(entry.path(), to)?;
            }
        }
        Ok(())
    }
    copy(from, to).context("cannot copy to", to)
}
