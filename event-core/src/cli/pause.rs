//! `pause`, `resume` and `paused`: talk to the admin port of the service that runs with the same
//! settings.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use crate::app::{ExitStatus, Settings};
use crate::outcome::Error;

// The service is on this machine, or near.
const TIMEOUT: Duration = Duration::from_secs(5);
// More than the answer of any service; whoever sends more is something else.
const MAX_ANSWER_BYTES: u64 = 16 << 20;

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct SubjectArgs {
    /// The handler with this id, as `handlers --wide` shows it
    #[arg(long, value_name = "ID")]
    handler: Option<String>,
    /// All handlers of this topic
    #[arg(long)]
    topic: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Paused {
    handlers: Vec<String>,
    topics: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
}

pub(super) fn pause(settings: &Settings, subject: &SubjectArgs) -> Result<(), Error> {
    change(settings, "/pause", subject)
}

pub(super) fn resume(settings: &Settings, subject: &SubjectArgs) -> Result<(), Error> {
    change(settings, "/resume", subject)
}

pub(super) fn paused(settings: &Settings) -> Result<(), Error> {
    show(&ask(settings, "GET", "/pause")?);
    Ok(())
}

fn change(settings: &Settings, path: &str, subject: &SubjectArgs) -> Result<(), Error> {
    let query = match (&subject.handler, &subject.topic) {
        (Some(id), _) => format!("handler={}", encoded(id)),
        (None, Some(topic)) => format!("topic={}", encoded(topic)),
        // Refused by the command line.
        (None, None) => String::new(),
    };
    show(&ask(settings, "POST", &format!("{path}?{query}"))?);
    Ok(())
}

fn show(Paused { handlers, topics }: &Paused) {
    if handlers.is_empty() && topics.is_empty() {
        say!("nothing is paused");
    }
    for handler in handlers {
        say!("paused  handler {handler}");
    }
    for topic in topics {
        say!("paused  topic {topic}");
    }
}

fn ask(settings: &Settings, method: &str, path: &str) -> Result<Paused, ExitStatus> {
    let failed = |message: String| ExitStatus { code: 1, message };
    let Some(address) = settings.admin.map(reachable) else {
        let message = "the service has no admin port\n  help: set `admin_port`, as `admin_port = 9090` in event.toml or EVENT_ADMIN_PORT=9090, for the running service and for this command";
        return Err(ExitStatus { code: 2, message: message.to_owned() });
    };
    let (status, body) = exchange(address, method, path).map_err(|error| {
        failed(format!(
            "no service answers at {address}: {error}\n  help: is it running, and with this `admin_port`?"
        ))
    })?;
    let stranger = || {
        failed(format!(
            "what answers at {address} is no service of event-core\n  help: look which program has the port of `admin_port`"
        ))
    };
    if status == 200 {
        return serde_json::from_str(&body).map_err(|_| stranger());
    }
    match serde_json::from_str::<Refusal>(&body) {
        Ok(refusal) => Err(failed(format!("the service at {address} refuses: {}", refusal.error))),
        Err(_) => Err(stranger()),
    }
}

/// A service that listens everywhere is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// One request and its answer: the status and the body. In HTTP 1.0 the answer ends with the
/// connection, which is all that one line of a command needs.
fn exchange(address: SocketAddr, method: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request =
        format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let other = || io::Error::other("the answer is not HTTP");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(other)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(other)?;
    Ok((status, body.to_owned()))
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
