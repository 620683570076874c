//! The build script of every crate whose tests start a broker: sets `cfg(kafka_rig)` when this
//! machine can run one. The tests are `ignored` with the reason when it cannot:
//!
//! ```text
//! #[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
//! ```

#![allow(dead_code, missing_docs)]

#[path = "src/java.rs"]
mod java;

use std::path::Path;

fn main() {
    for variable in ["PATH", "JAVA_HOME", "KAFKA_VERSION"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kafka");
    let jars = jars.join(java::kafka_version()).join("libs");
    let has_java = java::java_version().is_some_and(|version| version >= java::OLDEST_JAVA);
    if has_java && (jars.is_dir() || java::has_maven()) {
        // Of the package that is built. A file that is not there would be looked for each time.
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rig/detect.rs");
        println!("cargo:rerun-if-changed={}", own.display());
        println!("cargo:rustc-cfg=kafka_rig");
        return;
    }
    // Whoever installs it changes one of these folders.
    let path = std::env::var_os("PATH").unwrap_or_default();
    for folder in std::env::split_paths(&path).filter(|folder| folder.is_dir()) {
        println!("cargo:rerun-if-changed={}", folder.display());
    }
}
