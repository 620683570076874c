//! What Kubernetes puts into the environment of every pod.
//!
//! For a Service called `event-kafka` the pods of its namespace get `EVENT_KAFKA_PORT=tcp://..` and its
//! kin, which look like settings of ours. They are known by their form, so that it does not matter which
//! of our keys a Service is called like.
//! <https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables>

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// The variables without those of Services, and the names of these.
pub(super) fn set_apart(variables: Vec<(String, String)>) -> (Vec<(String, String)>, Vec<String>) {
    let of_services: Vec<_> = variables
        .iter()
        .filter_map(|(name, _)| name.strip_suffix("_SERVICE_HOST").map(str::to_owned))
        .collect();
    let (links, others): (Vec<_>, Vec<_>) =
        variables.into_iter().partition(|(name, value)| is_link(name, value, &of_services));
    (others, links.into_iter().map(|(name, _)| name).collect())
}

fn is_link(name: &str, value: &str, services: &[String]) -> bool {
    let of_service = |service: &String| {
        let rest = name.strip_prefix(service.as_str());
        rest.is_some_and(|rest| {
            matches!(rest, "_SERVICE_HOST" | "_SERVICE_PORT") || rest.starts_with("_SERVICE_PORT_")
        })
    };
    let is_port = name.ends_with("_PORT") && is_address(value);
    is_port || has_number_and_protocol(name) || services.iter().any(of_service)
}

/// Whether it is written as `tcp://10.0.0.3:9092`.
fn is_address(value: &str) -> bool {
    let scheme = value.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| PROTOCOLS.contains(&scheme))
}

/// Whether it ends as `_PORT_9092_TCP`, or as that with `_PROTO`, `_PORT` or `_ADDR` behind it.
fn has_number_and_protocol(name: &str) -> bool {
    let name = ["_PROTO", "_PORT", "_ADDR"]
        .iter()
        .find_map(|part| name.strip_suffix(part))
        .unwrap_or(name);
    let Some((name, protocol)) = name.rsplit_once('_') else { return false };
    let Some((name, number)) = name.rsplit_once('_') else { return false };
    PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(protocol))
        && number.parse::<u16>().is_ok()
        && name.ends_with("_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links_among(variables: &[(&str, &str)]) -> Vec<String> {
        let owned = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        set_apart(owned.collect()).1
    }

    /// What the kubelet sets for a Service with the ports 9092 and, named, 9404.
    fn of_service(service: &str) -> Vec<(String, String)> {
        let endings = [
            ("_SERVICE_HOST", "10.0.0.3"),
            ("_SERVICE_PORT", "9092"),
            ("_SERVICE_PORT_METRICS", "9404"),
            ("_PORT", "tcp://10.0.0.3:9092"),
            ("_PORT_9092_TCP", "tcp://10.0.0.3:9092"),
            ("_PORT_9092_TCP_PROTO", "tcp"),
            ("_PORT_9092_TCP_PORT", "9092"),
            ("_PORT_9092_TCP_ADDR", "10.0.0.3"),
            ("_PORT_53_UDP_ADDR", "10.0.0.3"),
        ];
        endings.map(|(end, value)| (format!("{service}{end}"), value.to_owned())).to_vec()
    }

    #[test]
    fn all_that_a_service_brings_is_set_apart_whatever_its_name() {
        for service in [
            "EVENT",
            "EVENT_KAFKA",
            "EVENT_ADMIN",
            "EVENT_KAFKA_SASL",
            "EVENT_BROKERS",
            "EVENT_GROUP",
        ] {
            let variables = of_service(service);
            let (others, links) = set_apart(variables.clone());
            assert_eq!((others, links.len()), (Vec::new(), variables.len()), "{service}");
        }
    }

    #[test]
    fn settings_are_none_of_it() {
        let settings = [
            ("EVENT_ADMIN_PORT", "9090"),
            ("EVENT_BROKERS", "tcp://kafka:9092"),
            ("EVENT_KAFKA_SASL_KERBEROS_SERVICE_NAME", "kafka"),
            ("EVENT_KAFKA_SOCKET_KEEPALIVE_ENABLE", "true"),
            ("EVENT_KAFKA_SERVICE_PORT", "9092"),
        ];
        assert_eq!(links_among(&settings), Vec::<String>::new());
        // A port that is set in the pod goes before the Service's, and is a setting.
        let both = [("EVENT_ADMIN_PORT", "9090"), ("EVENT_ADMIN_SERVICE_HOST", "10.0.0.4")];
        assert_eq!(links_among(&both), ["EVENT_ADMIN_SERVICE_HOST"]);
    }
}
