//! Who a request is addressed to.
//!
//! A page in a browser can give its own name the loopback address and then read what is answered, as if
//! it were its own server's. It cannot choose what the browser says in `Host`: the page's name.

use std::net::IpAddr;

/// Whether a port on the loopback address may answer a request to `host`, which may have a port.
pub(super) fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, after)) if is_port(after) => {
                return address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
            }
            _ => return false,
        },
        None => host.find(':').map_or(host, |at| &host[..at]),
    };
    is_port(&host[name.len()..])
        && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok())
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_local_and_other_names_are_not() {
        for host in
            ["127.0.0.1", "127.0.0.1:9090", "[::1]", "[::1]:9090", "localhost", "LocalHost:9090"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            ":9090",
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "localhost:evil",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "[::1].evil.example",
            "[evil]",
            "::1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
