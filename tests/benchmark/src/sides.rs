//! Each side of a row runs in a process of its own: this benchmark again, with other flags.

use std::process::{Command, Stdio};

/// What this benchmark prints when it is run with `flags`.
pub fn in_a_process(flags: &[String]) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(flags)
        .env("EVENT_LOG", "error")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{flags:?} ended with {}: {output}", child.status);
    output
}

/// The order of `count` sides in a round: who comes first changes.
pub fn order(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round) % count)
}

/// A number that this process did not give before.
pub fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
