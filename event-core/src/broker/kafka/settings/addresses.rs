//! The addresses of brokers, found wrong before anything is connected.
//!
//! librdkafka takes nearly any text for one: it reads a port as the number at its start and wraps it at
//! 65536, cuts off a path, and looks the rest up as a name. What a service then says is that no broker
//! answers, which is true of an address that nobody meant.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{KafkaSettingsProblem, problem};
use crate::event::excerpt;

const BETWEEN: &str = "write `host:port`, with a comma between two addresses";
const PORT: &str = "write a port from 1 to 65535, as in `kafka-1:9092`";

/// What programs write for a missing value.
const MISSING: [&str; 4] = ["none", "null", "nil", "undefined"];

/// What is wrong, and what to write.
type Fault = (String, String);

/// The addresses as librdkafka takes them, without blanks around the commas.
pub(super) fn joined(brokers: &str) -> String {
    brokers.split(',').map(str::trim).collect::<Vec<_>>().join(",")
}

/// Everything that is wrong with the addresses.
pub(super) fn problems(brokers: &str) -> Vec<KafkaSettingsProblem> {
    let of_brokers = |message: String, help: String| problem(Some("brokers"), message, help);
    if brokers.split(',').all(|address| address.trim().is_empty()) {
        return vec![of_brokers("no broker address is set".into(), "set `brokers`".into())];
    }
    // Never repeated: it holds a password, which may have commas.
    if brokers.contains('@') {
        return vec![of_brokers(
            "`brokers` has a login in an address".into(),
            "write `host:port` there, and `sasl.username` and `sasl.password` under `[kafka]`"
                .into(),
        )];
    }
    // The same.
    if brokers.contains('=') {
        return vec![of_brokers(
            "`brokers` is a connection string, or has a `=` in it".into(),
            "write `host:port` there, and what it has of a login as `sasl.username` and `sasl.password` under `[kafka]`"
                .into(),
        )];
    }
    if let Some(inner) = list(brokers) {
        let help = format!("write `{}`", excerpt(&inner, 64));
        return vec![of_brokers("`brokers` is written as a list".into(), help)];
    }
    let faults = brokers.split(',').map(str::trim).enumerate().filter_map(|(index, address)| {
        let (wrong, help) = fault(address)?;
        let message = match address {
            "" => format!("`brokers` {wrong}"),
            _ if looks_right(address) => {
                format!("`brokers` has the address `{}`, {wrong}", excerpt(address, 64))
            }
            // It may be a password in the wrong place.
            _ => format!(
                "`brokers` has as address {} a text of {} characters, {wrong}",
                index + 1,
                address.chars().count()
            ),
        };
        Some(of_brokers(message, help))
    });
    faults.collect()
}

/// Whether it has only what addresses have, and what people write in and around them.
fn looks_right(address: &str) -> bool {
    address.contains([':', '.'])
        && address.chars().all(|c| c.is_alphanumeric() || ".:-_/[]%;|#?\"'${}<>\\+".contains(c))
        || address.chars().all(|c| c.is_ascii_digit())
}

/// What is in a list of texts, without the signs around it.
fn list(brokers: &str) -> Option<String> {
    let inner = brokers.trim().strip_prefix('[')?.strip_suffix(']')?;
    let is_list = inner.contains(['"', '\'']) || inner.contains(',') && !inner.contains(['[', ']']);
    is_list.then(|| joined(&inner.replace(['"', '\''], "")))
}

fn fault(address: &str) -> Option<Fault> {
    let wrong = |wrong: &str, help: &str| Some((wrong.to_owned(), help.to_owned()));
    if address.is_empty() {
        return wrong("has an empty address: a comma too many", BETWEEN);
    }
    if address.starts_with(['$', '<', '{', '%']) {
        let help = "see what was to replace it before the service started";
        return wrong("which is a placeholder that nothing has replaced", help);
    }
    if let Some((scheme, rest)) = address.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return Some((
            format!("which begins with the scheme `{}`", excerpt(scheme, 16)),
            format!(
                "write `{}`; TLS and logins are `security.protocol` under `[kafka]`",
                excerpt(if host.is_empty() { "host:port" } else { host }, 64)
            ),
        ));
    }
    if address.chars().any(char::is_whitespace) {
        return wrong("which has a blank in it", BETWEEN);
    }
    if address.contains([';', '|']) {
        return wrong("which has something else than a comma between two addresses", BETWEEN);
    }
    if let Some((host, _)) = address.split_once(['/', '?', '#', '\\']) {
        let help = format!("write `{}`", excerpt(host, 64));
        return wrong("which has a path behind it", if host.is_empty() { BETWEEN } else { &help });
    }
    let (host, port) = match address.strip_prefix('[') {
        Some(bracketed) => {
            let Some((host, rest)) = bracketed.split_once(']') else {
                return wrong("which has no `]` behind the IPv6 address", "write `[::1]:9092`");
            };
            // A zone, such as `%eth0`, belongs to the machine.
            let number = host.split_once('%').map_or(host, |(number, _)| number);
            if number.parse::<Ipv6Addr>().is_err() {
                let help = match host_fault(host) {
                    None => format!("write `{host}{}`", excerpt(rest, 8)),
                    Some(_) => "write `[::1]:9092`".to_owned(),
                };
                return wrong("which has no IPv6 address in its brackets", &help);
            }
            match rest.strip_prefix(':') {
                None if rest.is_empty() => return None,
                None => return wrong("which has no `:` before its port", "write `[::1]:9092`"),
                Some(port) => return port_fault(port),
            }
        }
        None if address.matches(':').count() > 1 => {
            if let Some(help) = bracketed(address) {
                return wrong("which is an IPv6 address without brackets", &help);
            }
            return wrong("which has more than one `:`", BETWEEN);
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    host_fault(host).or_else(|| port_fault(port?))
}

/// An IPv6 address in brackets, when it is one: with a port behind it or without.
fn bracketed(address: &str) -> Option<String> {
    // `::1:9092` is an address as well, but four digits at its end are those of a port.
    let with_port = address.rsplit_once(':').filter(|(host, port)| {
        let is_port = port.len() >= 4 && port.bytes().all(|byte| byte.is_ascii_digit());
        host.parse::<Ipv6Addr>().is_ok() && (is_port || address.parse::<Ipv6Addr>().is_err())
    });
    if let Some((host, port)) = with_port {
        return Some(format!("write `[{host}]:{}`", excerpt(port, 8)));
    }
    address.parse::<Ipv6Addr>().ok().map(|_| format!("write `[{address}]:9092`"))
}

fn host_fault(host: &str) -> Option<Fault> {
    if host.is_empty() {
        return Some(("which has no host".to_owned(), BETWEEN.to_owned()));
    }
    // Docker Compose puts `_` into names, though DNS does not.
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if let Some(other) = host.chars().find(|c| !is_part(c)) {
        let help = match other {
            '"' | '\'' => "write it without quotation marks",
            _ => "a host has letters, digits, `.`, `-` and `_`",
        };
        let shown = excerpt(&other.to_string(), 16);
        return Some((format!("whose host has the character `{shown}`"), help.to_owned()));
    }
    if MISSING.iter().any(|missing| host.eq_ignore_ascii_case(missing)) {
        let wrong = "whose host is what programs write for a missing value".to_owned();
        return Some((wrong, "see what was to set it before the service started".to_owned()));
    }
    // One dot at the end is DNS's own way to say that the name is whole.
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if !name.split('.').all(is_label) || name.len() > 253 {
        let help = "between two dots are 1 to 63 characters without a `-` at an end, and 253 in all at most";
        return Some(("whose host is no name by the rules of DNS".to_owned(), help.to_owned()));
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.chars().all(|c| c.is_ascii_digit());
    if is_number && name.parse::<Ipv4Addr>().is_err() {
        let help = "an IPv4 address is four numbers from 0 to 255, as in `10.0.0.3:9092`";
        return Some(("whose host is no IPv4 address".to_owned(), help.to_owned()));
    }
    None
}

fn port_fault(port: &str) -> Option<Fault> {
    let is_number = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    if is_number && port.parse::<u16>().is_ok_and(|port| port > 0) {
        return None;
    }
    let wrong = match port {
        "" => "which has no port behind its `:`".to_owned(),
        _ => format!("whose port is `{}`, it must be from 1 to 65535", excerpt(port, 16)),
    };
    Some((wrong, PORT.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port_or_without() {
        for brokers in [
            "localhost:9092",
            "localhost",
            "kafka-1:9092,kafka-2:9092",
            " kafka-1:9092 , kafka-2:9092\n",
            "10.0.0.3:9092",
            "my_stack_kafka:9092",
            "b-1.cluster.kafka.eu-central-1.amazonaws.com:9098",
            "kafka.svc.cluster.local.:9092",
            "3scale:1",
            "[::1]:9092",
            "[::1]",
            "[fe80::1%eth0]:65535",
        ] {
            assert_eq!(problems(brokers), [], "{brokers}");
        }
        assert_eq!(joined(" a:1 , b:2\n"), "a:1,b:2");
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for (address, wrong, help) in [
            ("http://x", "the scheme `http`", "write `x`"),
            ("PLAINTEXT://kafka:9092/x", "the scheme `PLAINTEXT`", "write `kafka:9092`"),
            ("tcp://", "the scheme `tcp`", "write `host:port`"),
            ("localhost;9092", "something else than a comma", "a comma between"),
            ("a:1;b:1", "something else than a comma", "a comma between"),
            ("a b:9092", "has a blank", "a comma between"),
            ("a:9092 b:9092", "has a blank", "a comma between"),
            ("a:\u{a0}9092", "has a blank", "a comma between"),
            ("localhost:99999", "port is `99999`", "from 1 to 65535"),
            ("localhost:0", "port is `0`", "from 1 to 65535"),
            ("localhost:-1", "port is `-1`", "from 1 to 65535"),
            ("localhost:+9092", "port is `+9092`", "from 1 to 65535"),
            ("localhost:kafka", "port is `kafka`", "from 1 to 65535"),
            ("localhost:", "no port behind", "from 1 to 65535"),
            ("localhost:9092/path", "has a path", "write `localhost:9092`"),
            (":9092", "no host", "write `host:port`"),
            ("a:9092:9093", "more than one `:`", "write `host:port`"),
            ("::1", "without brackets", "write `[::1]:9092`"),
            ("fe80:0:0:0:0:0:0:1:9092", "without brackets", "write `[fe80:0:0:0:0:0:0:1]:9092`"),
            ("[::1:9092", "no `]`", "write `[::1]:9092`"),
            ("[kafka]:9092", "no IPv6 address", "write `kafka:9092`"),
            ("[1.2.3.4]:9092", "no IPv6 address", "write `1.2.3.4:9092`"),
            ("[a b]:9092", "a blank", "a comma between"),
            ("::1:9092", "without brackets", "write `[::1]:9092`"),
            ("{{ .Values.x }}", "a placeholder", "replace"),
            ("%KAFKA%:9092", "a placeholder", "replace"),
            ("None", "for a missing value", "what was to set it"),
            ("null:9092", "for a missing value", "what was to set it"),
            ("-host:9092", "by the rules of DNS", "without a `-`"),
            ("[::1]9092", "no `:` before", "write `[::1]:9092`"),
            ("[::1]:0", "port is `0`", "from 1 to 65535"),
            ("10.0.0.300:9092", "no IPv4 address", "four numbers"),
            ("10.0.0:9092", "no IPv4 address", "four numbers"),
            ("9092", "no IPv4 address", "four numbers"),
            ("kafka..svc:9092", "by the rules of DNS", "1 to 63"),
            ("\"kafka:9092\"", "the character `\"`", "without quotation marks"),
            ("käfka:9092", "the character `ä`", "letters, digits"),
            ("${KAFKA}:9092", "a placeholder", "replace"),
        ] {
            let found = problems(address);
            assert_eq!(found.len(), 1, "{address}: {found:?}");
            let KafkaSettingsProblem { message, help: helped, .. } = &found[0];
            assert!(message.contains(wrong), "{address}: {message}");
            assert_eq!(message.contains(address), looks_right(address), "{address}: {message}");
            assert!(helped.contains(help), "{address}: {helped}");
        }
    }

    #[test]
    fn each_wrong_address_of_several_is_named() {
        let found = problems("a:1,,b:70000,c:1,http://d,");
        let messages: Vec<_> = found.iter().map(|problem| problem.message.as_str()).collect();
        let empty = "`brokers` has an empty address: a comma too many";
        assert_eq!(
            messages,
            [
                empty,
                "`brokers` has the address `b:70000`, whose port is `70000`, it must be from 1 to 65535",
                "`brokers` has the address `http://d`, which begins with the scheme `http`",
                empty,
            ]
        );
        for none in ["", " ", ",", " , "] {
            assert_eq!(problems(none)[0].message, "no broker address is set", "{none:?}");
        }
    }

    #[test]
    fn what_is_no_address_at_all_is_not_repeated() {
        for secret in ["Hunter2 pass/word", "hunter2!", "p4ss;w0rd", "a:1,hunter2 x"] {
            let found = problems(secret);
            assert_eq!(found.len(), 1, "{found:?}");
            let secret = secret.trim_start_matches("a:1,");
            assert!(!format!("{found:?}").contains(secret), "{found:?}");
            assert!(found[0].message.contains(" characters, "), "{found:?}");
        }
    }

    #[test]
    fn a_login_is_never_repeated() {
        for brokers in [
            "alice:hun,ter2@kafka:9092",
            "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=R;SharedAccessKey=hunter2",
            "kafka:9092;password=hunter2",
        ] {
            let found = problems(brokers);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(!format!("{found:?}").contains("ter2"), "{found:?}");
        }
    }

    #[test]
    fn a_list_is_told_as_one() {
        for list in ["['a:1',b:2]", "[\"a:1\", \"b:2\"]", "[a:1,b:2]"] {
            let found = problems(list);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].message, "`brokers` is written as a list");
            assert_eq!(found[0].help, "write `a:1,b:2`");
        }
        assert_eq!(problems("[::1]:9092,[::2]"), []);
    }
}
