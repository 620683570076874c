//! Free loopback ports that stay free for a broker that is down.
//!
//! The system hands out ports of its ephemeral range (from 32768 on Linux) to every connection that
//! is opened, so a broker that is restarted could find its port taken. These are from below.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use crate::start_error::StartError;

const RANGE: (u16, u16) = (20_000, 31_999);

/// As many ports as asked for. `KAFKA_RIG_PORTS=21000-21999` names another range.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, StartError> {
    let (first, last) = range()?;
    let size = u64::from(last - first) + 1;
    let mut listeners: Vec<TcpListener> = Vec::new();
    // Not the same for two rigs that look at the same time.
    let start = RandomState::new().hash_one(std::process::id());
    for step in 0..size {
        if listeners.len() == count {
            break;
        }
        let offset = start.wrapping_add(step) % size;
        let port = first + u16::try_from(offset).unwrap_or(0);
        listeners.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    if listeners.len() < count {
        return Err(StartError::new(format!("fewer than {count} free ports in {first}-{last}")));
    }
    let port = |listener: &TcpListener| listener.local_addr().ok().map(|address| address.port());
    Ok(listeners.iter().filter_map(port).collect())
}

fn range() -> Result<(u16, u16), StartError> {
    let Ok(text) = std::env::var("KAFKA_RIG_PORTS") else { return Ok(RANGE) };
    let range = text.split_once('-').and_then(|(first, last)| {
        Some((first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?))
    });
    range.filter(|(first, last)| first <= last).ok_or_else(|| {
        StartError::new(format!("KAFKA_RIG_PORTS is `{text}`: write it as `21000-21999`"))
    })
}
