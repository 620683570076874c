//! Finds Java: for the rig, and for the build scripts that ask whether tests can have a broker.

use std::path::PathBuf;
use std::process::Command;

/// The oldest major version that runs a broker of Kafka 4.
pub(crate) const OLDEST_JAVA: u32 = 17;

/// The `java` to run: of `JAVA_HOME`, or else the first in the path.
pub(crate) fn java() -> PathBuf {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let of_home = home.map(|home| PathBuf::from(home).join("bin/java"));
    of_home.filter(|java| java.is_file()).unwrap_or_else(|| PathBuf::from("java"))
}

/// The major version of [`java`]: `None` when it does not run. "1.8.0" counts as 1.
pub(crate) fn java_version() -> Option<u32> {
    let output = Command::new(java()).arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let (_, version) = text.split_once("version \"")?;
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    major.parse().ok()
}

/// Whether there is a Maven to download Kafka with.
pub(crate) fn has_maven() -> bool {
    Command::new("mvn").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The version of Kafka that tests get: `KAFKA_VERSION`, or the one that is supported first.
pub(crate) fn kafka_version() -> String {
    let version = std::env::var("KAFKA_VERSION").ok().filter(|version| !version.is_empty());
    version.unwrap_or_else(|| "4.3.1".to_owned())
}
