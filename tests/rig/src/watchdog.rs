//! Ends the brokers of a process that is gone, however it went.
//!
//! Each cluster has one shell that waits on a pipe from this process. The pipe closes when this
//! process ends: by a panic, by SIGKILL, by Ctrl-C, or at its end with the cluster in a static. The
//! shell then kills the brokers and deletes their folder. It is in a process group of its own, so
//! that Ctrl-C does not end it first.
//!
//! Every line that the shell reads is the list of all process ids. A broker is announced before it
//! becomes one (see [`spawn`](Watchdog::spawn)), so none can be missed.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

/// One that is being killed still writes, so its folder may not go at the first attempt.
const WATCH: &str = r#"
while read -r line; do pids=$line; done
[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
[ -n "$1" ] || exit 0
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$1" && exit 0
    sleep 0.2
done
"#;

/// Waits for the signal, and then becomes the program of its arguments.
const WAIT: &str = r#"read -r go && exec "$@" < /dev/null"#;

#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    watched: Mutex<Watched>,
}

#[derive(Debug)]
struct Watched {
    pipe: ChildStdin,
    pids: Vec<u32>,
}

impl Watched {
    fn announce(&mut self) -> io::Result<()> {
        let pids: Vec<String> = self.pids.iter().map(u32::to_string).collect();
        writeln!(self.pipe, "{}", pids.join(" "))
    }
}

impl Watchdog {
    /// Starts the shell. `folder` is deleted with the brokers; `None` keeps it.
    pub(crate) fn start(folder: Option<&Path>) -> io::Result<Watchdog> {
        let mut shell = Command::new("sh")
            .args(["-c", WATCH, "watchdog"])
            .arg(folder.unwrap_or(Path::new("")))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = shell.stdin.take().ok_or_else(|| io::Error::other("no pipe to the shell"))?;
        Ok(Watchdog { shell, watched: Mutex::new(Watched { pipe, pids: Vec::new() }) })
    }

    /// Starts `program` as a child of this process, with its output in `log`.
    pub(crate) fn spawn(&self, program: &Command, log: &File) -> io::Result<Child> {
        let mut child = Command::new("sh")
            .args(["-c", WAIT, "broker"])
            .arg(program.get_program())
            .args(program.get_args())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .spawn()?;
        let mut watched = self.lock();
        watched.pids.push(child.id());
        watched.announce()?;
        drop(watched);
        let mut go = child.stdin.take().ok_or_else(|| io::Error::other("no pipe to the broker"))?;
        writeln!(go, "go")?;
        Ok(child)
    }

    /// To be called when a child has been waited for: its id may soon be another's.
    pub(crate) fn forget(&self, pid: u32) {
        let mut watched = self.lock();
        watched.pids.retain(|one| *one != pid);
        // Without a shell there is nobody left to notify.
        let _ = watched.announce();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Watchdog {
    /// The brokers have ended before; what is left to delete is done by their folder's owner.
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Sends a signal by name, without `unsafe`.
pub(crate) fn signal(name: &str, pid: u32) {
    let kill = "kill -\"$1\" \"$2\"";
    let status = Command::new("sh").args(["-c", kill, "signal", name, &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send {name} to process {pid}");
}
