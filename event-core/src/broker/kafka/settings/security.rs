//! Whether the properties for TLS and the login fit together, found before anything is connected.

use secrecy::ExposeSecret;

use super::{KafkaSettings, KafkaSettingsProblem, problem};

const MECHANISMS: [&str; 5] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"];
const TAKEN: &str = "set `sasl.mechanism` to `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`";

/// The values of a property that takes only a few.
pub(super) fn accepted(name: &str) -> Option<&'static str> {
    match name {
        "security.protocol" => Some(
            "write `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`, as the broker's listener asks for",
        ),
        "group.protocol" => Some("write `classic` or `consumer`"),
        _ => None,
    }
}

/// What of TLS and the login cannot work.
pub(super) fn problems(settings: &KafkaSettings) -> Vec<KafkaSettingsProblem> {
    let named = |prefix: &str| {
        settings.properties.iter().map(|(name, _)| name).find(|name| name.starts_with(prefix))
    };
    let (sasl, tls) = (named("sasl."), named("ssl."));
    if settings.property("security.protocol").is_none()
        && let Some(name) = sasl.or(tls)
    {
        let protocol = if sasl.is_some() { "sasl_ssl" } else { "ssl" };
        let without = match (sasl, tls) {
            (Some(_), None) => ", or `sasl_plaintext` for a listener without TLS",
            _ => "",
        };
        return vec![problem(
            Some(name),
            format!(
                "`{name}` is set, but `security.protocol` is not, so that nothing of it is used"
            ),
            format!("set `security.protocol` to `{protocol}`{without}"),
        )];
    }
    if !settings.security_protocol().starts_with("sasl") {
        return Vec::new();
    }
    let mechanism = settings.property("sasl.mechanism").or(settings.property("sasl.mechanisms"));
    let Some(mechanism) = mechanism.map(|mechanism| mechanism.expose_secret()) else {
        let reason = "`security.protocol` asks for a login, but `sasl.mechanism` is not set";
        return vec![problem(Some("security.protocol"), reason.to_owned(), TAKEN)];
    };
    let of_mechanism =
        |message: &str| vec![problem(Some("sasl.mechanism"), message.to_owned(), TAKEN)];
    match mechanism {
        // The value may be a password in the wrong place.
        unknown if !MECHANISMS.contains(&unknown) => {
            of_mechanism("`sasl.mechanism` has a value that is no mechanism")
        }
        "GSSAPI" => of_mechanism("`sasl.mechanism` is `GSSAPI`, which this build does not have"),
        "OAUTHBEARER" if !has_unsecured_tokens(settings) => {
            of_mechanism("`sasl.mechanism` is `OAUTHBEARER`, but nothing here gets a token")
        }
        "OAUTHBEARER" => Vec::new(),
        _ => ["sasl.username", "sasl.password"]
            .into_iter()
            .filter(|name| {
                settings.property(name).is_none_or(|value| value.expose_secret().is_empty())
            })
            .map(|name| {
                let variable = name.to_ascii_uppercase().replace('.', "_");
                problem(
                    Some("security.protocol"),
                    format!("`security.protocol` asks for a login, but `{name}` is not set"),
                    format!("set `{name}` under `[kafka]`, or the variable EVENT_KAFKA_{variable}"),
                )
            })
            .collect(),
    }
}

/// Tokens that are signed by nobody, which librdkafka makes itself, for tests.
fn has_unsecured_tokens(settings: &KafkaSettings) -> bool {
    let unsecured = settings.property("enable.sasl.oauthbearer.unsecure.jwt");
    unsecured.is_some_and(|unsecured| unsecured.expose_secret().eq_ignore_ascii_case("true"))
}
