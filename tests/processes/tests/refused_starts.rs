//! A service whose broker it does not trust ends with its exit code, however its client is just then.
//!
//! The broker is `openssl s_server`, which shows a certificate that nobody signed, so that OpenSSL is at
//! work in librdkafka's threads while the process ends: `cargo test -p process-tests --features tls --
//! --ignored`. `REFUSED_STARTS=20` makes it shorter.

#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many starts show that none of them dies: with the fault it was 4 to 7 of a hundred.
const STARTS: usize = 200;
const SOON: Duration = Duration::from_secs(10);

/// `openssl s_server`, ended with the test.
struct Listener {
    process: Child,
    address: String,
}

impl Listener {
    fn start(folder: &Path) -> Listener {
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        let request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"];
        let made = Command::new("openssl")
            .args(request)
            .args([Path::new("-keyout"), &key, Path::new("-out"), &certificate])
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &free.to_string()])
            .args([Path::new("-key"), &key, Path::new("-cert"), &certificate])
            // It ends when there is nothing more to read.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listener = Listener { process, address: free.to_string() };
        let began = Instant::now();
        while TcpStream::connect(free).is_err() {
            assert!(began.elapsed() < SOON, "nobody listens at {free}");
            std::thread::yield_now();
        }
        listener
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[ignore = "takes two minutes, and needs openssl and the feature `tls`"]
#[test]
fn every_refused_start_ends_with_2() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused_starts");
    std::fs::create_dir_all(&folder).unwrap();
    let listener = Listener::start(&folder);
    let starts = std::env::var("REFUSED_STARTS").ok().and_then(|starts| starts.parse().ok());
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..starts.unwrap_or(STARTS) {
        let ended = Command::new(env!("CARGO_BIN_EXE_ledger-member"))
            .arg("run")
            .current_dir(&folder)
            .env("EVENT_BROKERS", &listener.address)
            .env("EVENT_KAFKA_SECURITY_PROTOCOL", "ssl")
            // The settings of a member of the other tests.
            .env("MEMBER_JOURNAL", folder.join("journal"))
            .envs([("MEMBER_NAME", "refused"), ("MEMBER_RUN", "1")])
            .envs([("MEMBER_TAKES_FROM_MS", "0"), ("MEMBER_TAKES_MORE_MS", "0")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&ended.stderr);
        assert!(text.contains("a CA that this machine does not know"), "{text}");
        *ends.entry(ended.status.to_string()).or_default() += 1;
    }
    println!("{ends:?}");
    assert_eq!(ends.keys().collect::<Vec<_>>(), ["exit status: 2"], "{ends:?}");
}
